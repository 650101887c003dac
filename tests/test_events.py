"""Listeners hear everything in order, whenever they come."""

import asyncio

from xiaozhi.events import Events


def heard(listening: list[tuple[int, list[bytes]]]) -> list[str]:
    return [frame.split(b"\n")[0].decode() for _, frames in listening for frame in frames]


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
        assert await anext(listening) == (0, [])
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
        [(_, [frame])] = [batch async for batch in events.listen("run")]
        assert frame == b'event: e\ndata: "\\u2028\\u2029\\u0085"\n\n'

    asyncio.run(story())
