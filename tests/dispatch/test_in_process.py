"""Segments as tasks of one process: who waits for a place, and how waiting ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.dispatch.test_places import a_segment, some_places
from xiaozhi.dispatch import InProcess
from xiaozhi.store import Segment, SQLite, Store, changed


def told(story: Callable[["Executing"], Coroutine[Any, Any, None]], places: int = 1) -> None:
    async def whole(folder: Path) -> None:
        store = await SQLite.open(folder / "x.db")
        executing = Executing(places, store)
        await story(executing)
        await executing.dispatcher.close()
        await store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(whole(Path(folder)))


class Executing:
    """`begun`: (run, status) in order. A segment goes on until `end` is called with its run."""

    def __init__(self, places: int, store: Store) -> None:
        self.dispatcher = InProcess(store, "proc_test", some_places(places))
        self.dispatcher.open(self._execute, self.dispatcher.start, self._expire)
        self.begun: list[tuple[str, str]] = []
        self.interrupted: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._one_more = asyncio.Event()

    def start(self, name: str, expires_in: float = 600, epoch: int = 0) -> None:
        segment = a_segment(name)
        run = changed(segment.run, {"expires_at": int(time.time() + expires_in)})
        self.dispatcher.start(Segment(run, epoch, 0))

    async def end(self, name: str) -> None:
        self._ends[name].set()
        for _ in range(5):
            await asyncio.sleep(0)

    async def has_begun(self, count: int) -> None:
        """Returns when `count` have."""
        async with asyncio.timeout(30):
            while len(self.begun) < count:
                self._one_more.clear()
                await self._one_more.wait()

    async def _expire(self, thread_id: str, run_id: str) -> None:
        raise AssertionError("nobody here waits for a client")

    async def _execute(self, segment: Segment) -> None:
        run = segment.run
        self.begun.append((run.id, run.status))
        self._one_more.set()
        if run.status == "cancelling" or (run.expires_at or 0) <= time.time():
            return
        ending = self._ends[run.id] = asyncio.Event()
        try:
            await ending.wait()
        except asyncio.CancelledError:
            self.interrupted.append(run.id)
            raise


def test_a_place_that_becomes_free_is_for_the_next():
    async def story(executing: Executing) -> None:
        for name in "abc":
            executing.start(name)
        await asyncio.sleep(0)
        assert executing.begun == [("a", "queued")]
        assert list(executing.dispatcher.under_way) == ["a"]
        await executing.end("a")
        assert executing.begun == [("a", "queued"), ("b", "queued")]
        await executing.end("b")
        await executing.end("c")
        assert not executing.dispatcher.under_way
        assert executing.dispatcher.room() == 101

    told(story)


def test_who_is_cancelled_waits_no_longer():
    async def story(executing: Executing) -> None:
        for name in "abc":
            executing.start(name)
        assert executing.dispatcher.cancel("b")
        assert not executing.dispatcher.cancel("nobody")
        await asyncio.sleep(0)
        assert executing.begun == [("a", "queued"), ("b", "cancelling")]
        await executing.end("a")
        assert executing.begun[2:] == [("c", "queued")]

    told(story)


def test_who_is_cancelled_in_its_first_moment_has_begun():
    async def story(executing: Executing) -> None:
        executing.start("a")
        assert executing.dispatcher.cancel("a")
        for _ in range(5):
            await asyncio.sleep(0)
        assert executing.begun == [("a", "queued")]
        assert executing.interrupted == ["a"]
        assert executing.dispatcher.room() == 101

    told(story)


def test_whose_time_is_over_needs_no_place():
    async def story(executing: Executing) -> None:
        executing.start("a")
        executing.start("b", expires_in=-1)
        executing.start("c", expires_in=600)
        await executing.has_begun(2)
        assert executing.begun == [("a", "queued"), ("b", "queued")]
        await executing.end("a")
        assert executing.begun[2:] == [("c", "queued")]

    told(story)


def test_once_it_is_stopping_nothing_begins():
    async def story(executing: Executing) -> None:
        for name in "abc":
            executing.start(name)
        await asyncio.sleep(0)
        executing.dispatcher.stop_beginning()
        await executing.end("a")
        executing.start("d")
        await asyncio.sleep(0)
        assert executing.begun == [("a", "queued")]
        # A client that cancels one that waits is obeyed all the same.
        assert executing.dispatcher.cancel("b")
        await asyncio.sleep(0)
        assert executing.begun[1:] == [("b", "cancelling")]

    told(story)


def test_closing_interrupts_what_is_under_way_and_nothing_else():
    async def story(executing: Executing) -> None:
        for name in "abc":
            executing.start(name)
        await asyncio.sleep(0)
        await executing.dispatcher.close()
        assert executing.begun == [("a", "queued"), ("b", "queued")]
        assert sorted(executing.interrupted) == ["a", "b"]

    told(story, places=2)


def test_a_segment_that_was_taken_up_anew_before_it_started_does_not_start():
    async def story(executing: Executing) -> None:
        executing.start("a", epoch=2)
        executing.start("a", epoch=1)
        await asyncio.sleep(0)
        assert executing.begun == [("a", "queued")]
        await executing.end("a")
        executing.start("a", epoch=1)
        await asyncio.sleep(0)
        assert len(executing.begun) == 2
        await executing.end("a")

    told(story)
