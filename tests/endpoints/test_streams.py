"""Streams as they come: the standard's forms, keep-alives, ends that are missing or come twice."""

import gzip
import json
import time
import zlib

import pytest
from openai import OpenAI

from tests.endpoints.conftest import Ask, answer_text, chunk, failure
from xiaozhi.chat_models.scripted import Sends

HEL, LO, STOP = (
    json.dumps(each).encode() for each in (chunk(content="Hel"), chunk(content="lo"), chunk("stop"))
)
DONE = b"data: [DONE]\n\n"


def events(*data: bytes, start: bytes = b"data: ", end: bytes = b"\n\n") -> bytes:
    return b"".join(start + each + end for each in data)


STREAMS = {
    "plain": events(HEL, LO, STOP) + DONE,
    "no space": events(HEL, LO, STOP, start=b"data:") + DONE,
    "CRLF": events(HEL, LO, STOP, b"[DONE]", end=b"\r\n\r\n"),
    "CR": events(HEL, LO, STOP, b"[DONE]", end=b"\r\r"),
    "BOM": b"\xef\xbb\xbf" + events(HEL, LO, STOP) + DONE,
    "no [DONE]": events(HEL, LO, STOP),
    "no finish_reason": events(HEL, LO) + DONE,
    "[DONE] as JSON": events(HEL, LO, STOP, b'"[DONE]"'),
    "finish_reason that is a word for none": events(
        *(each.replace(b'"finish_reason": null', b'"finish_reason": "null"') for each in (HEL, LO)),
        STOP,
    ),
    "indexes that are words": events(
        *(each.replace(b'"index": 0', b'"index": "0"') for each in (HEL, LO, STOP))
    ),
    "twice [DONE]": events(HEL, LO, STOP) + DONE + DONE,
    "words behind [DONE]": events(HEL, LO, STOP) + DONE + events(HEL),
    "empty data": events(b"", HEL, b"", LO, b"", STOP) + DONE,
    "data without a colon": b"data\n\n" + events(HEL, LO, STOP) + DONE,
    "null": events(b"null", HEL, b"null", LO, STOP) + DONE,
    "last line without an end": events(HEL, LO) + b"data: " + STOP,
    "last line with one": events(HEL, LO) + b"data: " + STOP + b"\n",
    "[DONE] without an end": events(HEL, LO) + b"data: [DONE]",
    "comments": b": hi\n\n"
    + events(HEL)
    + b": OPENROUTER PROCESSING\n\n"
    + events(LO, STOP)
    + DONE,
    "pings": b"event: ping\ndata: {}\n\n"
    + events(HEL)
    + b"event: ping\ndata: x\n\n"
    + events(LO, STOP),
    "named events": events(HEL, LO, STOP, start=b"event: message\nid: 1\ndata: ") + DONE,
    "several data lines": events(
        *(
            json.dumps(json.loads(each), indent=1).replace("\n", "\ndata: ").encode()
            for each in (HEL, LO, STOP)
        )
    ),
    "no blank lines": events(HEL, LO, STOP, b"[DONE]", end=b"\n"),
}


@pytest.mark.parametrize("size", [7, 100_000])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_is_read_as_the_standard_says(client: OpenAI, ask: Ask, stream: bytes, size: int):
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    run = ask(Sends(chunks, pause=0.001))
    assert run.status == "completed", run.last_error
    assert answer_text(client, run) == "Hello"


def _deflated(data: bytes) -> bytes:
    bare = zlib.compressobj(wbits=-15)
    return bare.compress(data) + bare.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(STREAMS["plain"])),
        ("gzip", gzip.compress(events(HEL)) + gzip.compress(events(LO, STOP))),
        ("deflate", zlib.compress(STREAMS["plain"])),
        ("deflate", _deflated(STREAMS["plain"])),
        ("identity", STREAMS["plain"]),
    ],
)
@pytest.mark.parametrize("size", [5, 100_000])
def test_a_stream_may_be_packed(client: OpenAI, ask: Ask, encoding: str, packed: bytes, size: int):
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    run = ask(Sends(chunks, headers=(("content-encoding", encoding),)))
    assert run.status == "completed", run.last_error
    assert answer_text(client, run) == "Hello"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_what_cannot_be_unpacked_fails_in_a_sentence(ask: Ask, encoding: str):
    code, message = failure(ask(Sends([b"nonsense"], headers=(("content-encoding", encoding),))))
    assert code == "server_error"
    assert "cannot be unpacked" in message or "not asked for" in message


def test_an_endpoint_that_stays_open_behind_its_end_does_not_hold_the_run(client: OpenAI, ask: Ask):
    began = time.monotonic()
    run = ask(Sends([STREAMS["plain"], b": still here\n\n"], pause=60))
    assert time.monotonic() - began < 30
    assert run.status == "completed"
    assert answer_text(client, run) == "Hello"


def test_a_stream_that_breaks_off_has_not_ended_by_a_word_for_none(ask: Ask):
    odd = HEL.replace(b'"finish_reason": null', b'"finish_reason": "null"')
    assert "broke off" in failure(ask(Sends([events(odd)])))[1]
