"""Bounds on what an endpoint sends: refused before anything is built of it, and nobody waits."""

import gzip
import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from tests.endpoints.conftest import Ask, calls, chunk, failure
from tests.running import Running
from xiaozhi.chat_models import answer_stream, response_body
from xiaozhi.chat_models.scripted import Sends

MIB = 2**20
X = b"x" * MIB
BEGINNING = b'{"choices": [{"message": {"content": "'
IN_ONE_LINE = [b'data: {"choices": [{"delta": {"content": "', *[X] * 40]
GZIP = (("content-encoding", "gzip"),)


def packed(*data: bytes) -> list[bytes]:
    return [gzip.compress(b"".join(data), 1)]


def a_chunk(size: int) -> bytes:
    return b"data: " + json.dumps(chunk(content="x" * size)).encode() + b"\n\n"


def a_call(number: int) -> bytes:
    entry = {"index": number, "id": str(number), "function": {"name": "f", "arguments": "{}"}}
    return b"data: " + json.dumps(calls(entry)).encode() + b"\n\n"


def many_calls() -> bytes:
    return json.dumps({"tool_calls": [{"function": {"name": "f"}}] * 5_000}).encode()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sends(IN_ONE_LINE), "one event of its answer has more than"),
        (lambda: Sends([b"data: " + X + b"\n"] * 40), "one event of its answer has more than"),
        (lambda: Sends([b"event: " + X] * 40), "one event of its answer has more than"),
        (lambda: Sends([a_chunk(2**16)] * 100), "characters"),
        (lambda: Sends([BEGINNING, *[X] * 40], "application/json"), "its answer has more than"),
        (lambda: Sends(packed(*IN_ONE_LINE, *[X] * 160), headers=GZIP), "one event of its answer"),
        (
            lambda: Sends(packed(BEGINNING, *[X] * 200), "application/json", headers=GZIP),
            "its answer has more than",
        ),
        (lambda: Sends(packed(*[a_chunk(2**16)] * 1_000), headers=GZIP), "characters"),
        (lambda: Sends([b'{"choices": [' + b"[]," * MIB], "application/json"), "values"),
        (lambda: Sends([b"data: " + b"[" * MIB + b"\n\n"]), "values"),
        (lambda: Sends([b"data: " + b"[" * 60_000 + b"\n\n"]), "nested too deep"),
        (
            lambda: Sends.events(calls(*({"name": "f"} for _ in range(5_000)))),
            "more than 512 calls",
        ),
        (lambda: Sends([a_call(number) for number in range(5_000)]), "more than 512 calls"),
        (
            lambda: Sends(
                [b'{"choices": [{"message": ' + many_calls() + b"}]}"], "application/json"
            ),
            "more than 512 calls",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_beyond_its_bounds_fails_in_a_sentence_and_holds_nobody(
    ask: Ask, server: Running, make: Callable[[], Sends], words: str
):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with waits(server) as longest:
        code, message = failure(ask(make()))
    assert code == "server_error"
    assert words in message
    # On an idle machine some 20 ms; a machine that is busy gets ten times that.
    assert max(longest) < 1.0
    # KiB; the sender is this process, too.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def test_what_is_within_the_bounds_is_taken(ask: Ask):
    text = "x" * 1_000_000
    whole = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    assert ask(Sends([whole], "application/json")).status == "completed"
    assert ask(Sends.events(chunk(content=text), chunk("stop"))).status == "completed"
    assert len(text) < answer_stream.WORDS < response_body.AT_ONCE


def test_an_error_s_body_is_read_as_far_as_it_says_something(ask: Ask):
    sent = Sends([b'{"error": {"message": "SECRET', *[X] * 40], status=400)
    assert "SECRET" in failure(ask(sent))[1]


@contextmanager
def waits(server: Running) -> Iterator[list[float]]:
    """How long /health takes meanwhile, in s, each time."""
    longest, has_ended = [0.0], threading.Event()

    def ask_for_health() -> None:
        url = server.url.removesuffix("/v1") + "/health"
        while not has_ended.is_set():
            began = time.monotonic()
            with urlopen(url, timeout=60) as response:
                response.read()
            longest.append(time.monotonic() - began)
            time.sleep(0.01)

    looking = threading.Thread(target=ask_for_health)
    looking.start()
    try:
        yield longest
    finally:
        has_ended.set()
        looking.join()
