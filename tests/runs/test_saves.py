"""What a segment wants written is written, also where the disk is full for a while."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_sqlite import opened
from xiaozhi.errors import Unavailable
from xiaozhi.runs.saves import Saves
from xiaozhi.store import Connection, Store, Work
from xiaozhi.store.store import Result


class MayBeFull(Store):
    """Another store, whose disk is full when a test says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.full = False
        self._refused = asyncio.Event()

    async def read(self, work: Work[Result]) -> Result:
        return await self._store.read(work)

    async def write(self, work: Work[Result]) -> Result:
        await self.check()
        return await self._store.write(work)

    async def check(self) -> None:
        if self.full:
            self._refused.set()
            raise Unavailable("The database cannot be written: disk full.")

    async def close(self) -> None:
        await self._store.close()

    def trouble(self) -> str | None:
        return self._store.trouble()

    async def has_refused(self) -> None:
        """Returns when a write has met the full disk, and whoever wanted it has been told."""
        await self._refused.wait()
        await asyncio.sleep(0)


class Written:
    """The names of what was written, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._one = asyncio.Event()

    def work(self, name: str) -> Work[None]:
        def write(_connection: Connection) -> None:
            self.names.append(name)
            loop.call_soon_threadsafe(self._one.set)

        loop = asyncio.get_running_loop()
        return write

    async def one(self) -> None:
        """Returns when one was written."""
        await self._one.wait()

    def maker(self, name: str) -> Callable[[], Work[None]]:
        return lambda: self.work(name)


def live(story: Callable[[MayBeFull], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def with_store() -> None:
        async with opened(folder / "x.db") as database:
            await story(MayBeFull(database))

    asyncio.run(with_store())


def test_what_waits_comes_first(tmp_path: Path):
    async def story(store: MayBeFull) -> None:
        written, saves = Written(), Saves(store, "a run")
        saves.soon("start", written.maker("start"), 60)
        await saves.now(written.work("answer"))
        assert written.names == ["start", "answer"]

    live(story, tmp_path)


def test_what_could_not_be_written_waits_for_the_next_write(tmp_path: Path):
    async def story(store: MayBeFull) -> None:
        written, saves = Written(), Saves(store, "a run")
        store.full = True
        saves.soon("start", written.maker("start"), 0)
        await store.has_refused()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await saves.now(written.work("end"))
        store.full = False
        await saves.now(written.work("end"))
        assert written.names == ["start", "end"]

    live(story, tmp_path)


def test_what_could_not_be_written_is_tried_again_by_itself(tmp_path: Path):
    async def story(store: MayBeFull) -> None:
        written, saves = Written(), Saves(store, "a run", again_within=0.05)
        store.full = True
        saves.soon("answer", written.maker("answer"), 0)
        await store.has_refused()
        store.full = False
        await written.one()
        assert written.names == ["answer"]

    live(story, tmp_path)


def test_what_was_dropped_meanwhile_stays_unwritten(tmp_path: Path):
    """An answer that has ended must not be written once more as it was before."""

    async def story(store: MayBeFull) -> None:
        written, saves = Written(), Saves(store, "a run")
        store.full = True
        saves.soon("answer", written.maker("answer so far"), 0)
        await asyncio.sleep(0)
        saves.drop("answer")
        with pytest.raises(Unavailable):
            await saves.now(written.work("end"))
        store.full = False
        await saves.now(written.work("end"))
        assert written.names == ["end"]

    live(story, tmp_path)
