"""What was begun is finished although its task is cancelled, unless there is no more time."""

import asyncio
from pathlib import Path

import pytest

from tests.runs.a_run import a_run
from tests.runs.test_saves import MayBeFull
from tests.store.test_sqlite import opened
from xiaozhi.dispatch import AT_ONCE
from xiaozhi.errors import InDoubt
from xiaozhi.events import Events
from xiaozhi.runs.recorder import Recorder
from xiaozhi.runs.shielding import shielded
from xiaozhi.store import Segment, Work
from xiaozhi.store.store import Result


class NeverAnswers(MayBeFull):
    """A database that is away: nobody knows what became of a write."""

    async def write(self, work: Work[Result]) -> Result:
        raise InDoubt("The database cannot be reached now.")


def test_it_is_finished_before_the_cancellation_is_raised():
    async def story() -> None:
        done: list[str] = []
        may_go_on = asyncio.Event()

        async def doing() -> None:
            await may_go_on.wait()
            done.append("written")

        task = asyncio.ensure_future(shielded(doing()))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["written"]

    asyncio.run(story())


def test_a_process_that_stops_does_not_wait_for_a_database_that_is_away(tmp_path: Path):
    async def story() -> None:
        async with opened(tmp_path / "x.db") as database:
            events, run = Events(), a_run()
            events.open(run.id)
            recorder = Recorder(Segment(run, epoch=0, number=0), NeverAnswers(database), events)
            task = asyncio.ensure_future(recorder.said("one"))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task], timeout=0.2)
            assert not task.done(), "it is tried again: its rows may be there"
            task.cancel(AT_ONCE)
            async with asyncio.timeout(5):
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(story())
