"""Server-sent events: the standard's own examples, and what servers send beside it."""

import pytest

from xiaozhi.chat_models.server_sent_events import Event, EventParser, TooLong

LIMIT = 1_000

# HTML standard, 9.2.6; what it says is dispatched
EXAMPLES: list[tuple[bytes, list[Event]]] = [
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [(b"", b"YHOO\n+2\n10")]),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n",
        [(b"", b"first event"), (b"", b"second event"), (b"", b" third")],
    ),
    (b"data\n\ndata\ndata\n\ndata:", [(b"", b""), (b"", b"\n")]),
    (b"data:test\n\ndata: test\n\n", [(b"", b"test"), (b"", b"test")]),
    # 9.2.2, the names of events
    (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\ndata: 1\n\n",
        [(b"add", b"73857293"), (b"remove", b"2153"), (b"", b"1")],
    ),
    # 9.2.7: a comment as a sign of life
    (b":\n\n: more\n\ndata: x\n\n", [(b"", b"x")]),
    # An event without data is none, and its name is forgotten.
    (b"event: add\n\ndata: x\n\n", [(b"", b"x")]),
    # Fields that are not known, and names that only begin as one
    (b"retry: 10\nfoo: bar\ndatax: 1\nDATA: 2\ndata: x\n\n", [(b"", b"x")]),
    (b"data: a: b\n\n", [(b"", b"a: b")]),
    (b"\xef\xbb\xbfdata: x\n\n", [(b"", b"x")]),
    (b"data: x\xef\xbb\xbf\n\n", [(b"", b"x\xef\xbb\xbf")]),
]


def parsed(data: bytes, size: int) -> list[Event]:
    parser = EventParser(LIMIT)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(("data", "events"), EXAMPLES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, LIMIT])
def test_the_examples_of_the_standard_in_any_chunks(
    data: bytes, events: list[Event], end: bytes, size: int
):
    assert parsed(data.replace(b"\n", end), size) == events


def test_ends_of_lines_may_be_mixed():
    assert parsed(b"data: a\rdata: b\r\n\ndata: c\n\r\n", 1) == [(b"", b"a\nb"), (b"", b"c")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_what_was_not_ended_is_handed_out_apart(end: bytes):
    parser = EventParser(LIMIT)
    assert parser.feed(b"data: a\n\nevent: x\ndata: b" + end) == [(b"", b"a")]
    assert parser.rest() == [(b"x", b"b")]
    assert parser.rest() == []


def test_json_objects_without_a_blank_line_between_them_are_events():
    data = b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n\n'
    assert parsed(data, LIMIT) == [(b"", b'{"a": 1}'), (b"", b'{"b": 2}'), (b"", b"[DONE]")]
    one = b'data: {\ndata: "a": {},\ndata: "b": {}\ndata: }\n\n'
    assert parsed(one, LIMIT) == [(b"", b'{\n"a": {},\n"b": {}\n}')]


@pytest.mark.parametrize(
    "chunk", [b"data: " + b"x" * 100, b"data: x\n" * 20, b"x" * 100, b"data: x" * 20]
)
def test_an_event_has_a_bound(chunk: bytes):
    parser = EventParser(LIMIT)

    def feed() -> None:
        for _ in range(100):
            parser.feed(chunk)

    with pytest.raises(TooLong):
        feed()
