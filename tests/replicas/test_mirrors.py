"""What is told in one process is heard in another, as long as the one who tells lives."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from xiaozhi.dispatch.mirrors import Mirrors, pieces
from xiaozhi.events import MOVED, Events
from xiaozhi.store.presence import LONGEST, Presence

SPEAKS_WITHIN = 0.5  # s
SILENT_FOR = 3.0


class Telling:
    """A process as far as it tells and hears."""

    def __init__(self, address: str, name: str) -> None:
        self.events = Events()
        self.first = asyncio.Event()
        self.presence = Presence(address, name)
        self.mirrors = Mirrors(
            self.events,
            self.presence,
            lambda _: False,
            speaks_within=SPEAKS_WITHIN,
            silent_for=SILENT_FOR,
        )

    async def heard(self, run_id: str) -> list[bytes]:
        """Everything, until there is no more. Sets `first` with the first of it."""
        assert await self.mirrors.follow(run_id)
        listening = self.events.listen(run_id, whole=True, idle=0.1)
        frames: list[bytes] = []
        async for batch in listening:
            frames += [frame for _, frame in batch]
            if frames:
                self.first.set()
        return frames


@asynccontextmanager
async def telling(address: str, *names: str) -> AsyncGenerator[list[Telling]]:
    several = [Telling(address, name) for name in names]
    for one in several:
        await one.presence.open()
    try:
        yield several
    finally:
        for one in several:
            await one.mirrors.close()
            await one.presence.close()


def test_who_has_died_in_the_midst_of_telling_is_not_waited_for(database: str):
    async def story() -> None:
        async with telling(database, "proc_1", "proc_2") as (there, here):
            there.events.open("run_1")
            there.events.publish("run_1", "thread.run.created", "{}")
            hearing = asyncio.ensure_future(here.heard("run_1"))
            await here.first.wait()
            await there.mirrors.close()
            await there.presence.close()
            async with asyncio.timeout(15):
                created, broken_off = await hearing
            assert b"thread.run.created" in created
            assert MOVED.encode() in broken_off

    asyncio.run(story())


def test_a_long_silence_is_no_death(database: str):
    async def story() -> None:
        async with telling(database, "proc_3", "proc_4") as (there, here):
            there.events.open("run_2")
            hearing = asyncio.ensure_future(here.heard("run_2"))
            await asyncio.sleep(SILENT_FOR + 1)
            there.events.publish("run_2", "thread.run.created", "{}")
            there.events.close("run_2")
            [frame] = await hearing
            assert frame == b"event: thread.run.created\ndata: {}\n\n"

    asyncio.run(story())


def test_several_that_know_a_run_are_heard_as_one(database: str):
    async def story() -> None:
        async with telling(database, "proc_5", "proc_6", "proc_7") as (there, between, here):
            there.events.open("run_3")
            for number in range(50):
                there.events.publish("run_3", "thread.run.created", f'{{"n":{number}}}')
            there.events.close("run_3")
            # From now on two know it.
            first = await between.heard("run_3")
            assert len(first) == 50
            assert await here.heard("run_3") == first

    asyncio.run(story())


def test_nobody_tells_what_nobody_knows(database: str):
    async def story() -> None:
        async with telling(database, "proc_8", "proc_9") as (_, here):
            assert not await here.mirrors.follow("run_4")

    asyncio.run(story())


def test_no_character_is_cut():
    text = "a小智😀" * LONGEST
    assert "".join(pieces(text.encode())) == text
    assert all(len(piece.encode()) <= LONGEST for piece in pieces(text.encode()))
