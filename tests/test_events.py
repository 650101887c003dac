"""Listeners hear everything in order, whenever they come."""

import asyncio
import json
from typing import Any

from xiaozhi.events import Events, Text

WORDS = Text("said", '{"says":"', '"}', '","first":true}')


def heard(listening: list[list[tuple[int, bytes]]]) -> list[str]:
    return [frame.split(b"\n")[0].decode() for frames in listening for _, frame in frames]


def said(frames: list[tuple[int, bytes]]) -> list[tuple[int, Any]]:
    """(number, data) of each."""
    return [(number, json.loads(frame.split(b"data: ")[1])) for number, frame in frames]


def test_a_late_listener_hears_everything_too():
    async def story() -> None:
        events = Events()
        events.open("run")

        async def listen(**options: bool) -> list[str]:
            return heard([batch async for batch in events.listen("run", **options)])

        early = asyncio.ensure_future(listen())
        for number in range(3):
            events.publish("run", f"e{number}", "{}")
            await asyncio.sleep(0)
        events.close("run")
        late = await listen()
        assert await early == late == ["event: e0", "event: e1", "event: e2"]

    asyncio.run(story())


def test_a_stretch_ends_and_the_whole_goes_on():
    async def story() -> None:
        events = Events()
        events.open("run")

        async def listen(start: int = 0, whole: bool = False) -> list[str]:
            listening = events.listen("run", start=start, whole=whole)
            return heard([batch async for batch in listening])

        whole = asyncio.ensure_future(listen(whole=True))
        events.publish("run", "e0", "{}")
        first = asyncio.ensure_future(listen())
        await asyncio.sleep(0)
        events.stop("run")
        assert await first == ["event: e0"]
        second = asyncio.ensure_future(listen(start=1))
        await asyncio.sleep(0)
        events.publish("run", "e1", "{}")
        events.close("run")
        assert await second == ["event: e1"]
        assert await whole == ["event: e0", "event: e1"]

    asyncio.run(story())


def test_a_listener_is_woken_when_nothing_happens():
    async def story() -> None:
        events = Events()
        events.open("run")
        listening = events.listen("run", idle=0.01)
        assert await anext(listening) == []
        await listening.aclose()

    asyncio.run(story())


def test_nobody_hears_of_what_nobody_knows():
    async def story() -> None:
        assert [batch async for batch in Events().listen("run")] == []

    asyncio.run(story())


def test_signs_that_some_clients_take_for_line_ends_are_written_out():
    async def story() -> None:
        events = Events()
        events.open("run")
        events.publish("run", "e", '"\u2028\u2029\x85"')
        events.close("run")
        [[(_, frame)]] = [batch async for batch in events.listen("run")]
        assert frame == b'event: e\ndata: "\\u2028\\u2029\\u0085"\n\n'

    asyncio.run(story())


def test_the_same_signs_in_a_piece_are_written_out_too():
    async def story() -> None:
        events = Events()
        events.open("run")
        events.publish_piece("run", Text("e", '"', '"', '"'), "\u2028\ud83d")
        events.close("run")
        [[(_, frame)]] = [batch async for batch in events.listen("run")]
        assert frame == b'event: e\ndata: "\\u2028?"\n\n'

    asyncio.run(story())


def test_who_keeps_up_hears_each_piece_and_who_comes_late_the_whole_text():
    async def story() -> None:
        events = Events()
        events.open("run")
        listening = events.listen("run")
        each: list[tuple[int, Any]] = []
        for word in ("one ", 'two \\"', "three"):
            events.publish_piece("run", WORDS, word)
            each += said(await anext(listening))
        assert each == [
            (0, {"says": "one ", "first": True}),
            (1, {"says": 'two "'}),
            (2, {"says": "three"}),
        ]
        late = await anext(events.listen("run"))
        assert said(late) == [(2, {"says": 'one two "three', "first": True})]
        resumed = await anext(events.listen("run", start=1))
        assert said(resumed) == [(2, {"says": 'two "three'})]

    asyncio.run(story())


def test_a_reader_that_pauses_gets_what_it_has_missed_at_once():
    async def story() -> None:
        events = Events()
        events.open("run")
        listening = events.listen("run")
        events.publish_piece("run", WORDS, "0 ")
        await anext(listening)
        for number in range(1, 20_000):
            events.publish_piece("run", WORDS, f"{number} ")
        [(number, data)] = said(await anext(listening))
        assert number == 19_999
        assert data == {"says": "".join(f"{number} " for number in range(1, 20_000))}

    asyncio.run(story())


def test_texts_are_told_apart_and_nothing_changes_its_place():
    async def story() -> None:
        events = Events()
        events.open("run")
        other = Text("wrote", "[", "]", "]")
        for text, piece in ((WORDS, "a"), (WORDS, "b"), (other, "1"), (other, "2")):
            events.publish_piece("run", text, piece)
        events.publish("run", "between", "{}")
        events.publish_piece("run", other, "3")
        events.publish_piece("run", WORDS, "c")
        events.stop("run")
        events.publish_piece("run", WORDS, "d")
        events.close("run")
        first = [batch async for batch in events.listen("run")]
        assert [said(batch) for batch in first] == [
            [
                (1, {"says": "ab", "first": True}),
                (3, [12]),
                (4, {}),
                (5, [3]),
                (6, {"says": "c", "first": True}),
            ]
        ]
        # A stretch that ends in the middle of a text, and the one behind it
        second = [batch async for batch in events.listen("run", start=7)]
        assert [said(batch) for batch in second] == [[(7, {"says": "d"})]]

    asyncio.run(story())
