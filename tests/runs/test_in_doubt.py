"""The answer to a commit is lost: what a run begins is there once, and ends with the run."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep

from tests.runs.a_run import a_run
from tests.store.test_sqlite import add, opened, thread
from xiaozhi import store
from xiaozhi.chat_models import CallPiece
from xiaozhi.errors import InDoubt
from xiaozhi.events import Events
from xiaozhi.runs.outcome import failed
from xiaozhi.runs.recorder import Recorder
from xiaozhi.store import Connection, Segment, Store, Work, run_rows
from xiaozhi.store.store import Result

RUN = a_run()


class LosesAnAnswer(Store):
    """Another store. `loses`: the next write's answer, before or after it is done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.loses = ""

    async def read(self, work: Work[Result]) -> Result:
        return await self._store.read(work)

    async def write(self, work: Work[Result]) -> Result:
        loses, self.loses = self.loses, ""
        if loses != "before":
            result = await self._store.write(work)
            if not loses:
                return result
        raise InDoubt("The database cannot be reached now: it went away.")

    async def check(self) -> None:
        await self._store.check()

    async def close(self) -> None:
        await self._store.close()

    def trouble(self) -> str | None:
        return self._store.trouble()


def accepted(connection: Connection) -> None:
    add(thread(RUN.thread_id))(connection)
    run_rows.lock_thread(connection, RUN.thread_id, RUN.id, 1)
    run_rows.add_run(connection, RUN, owner="proc_x", expires_at=600)


def left(connection: Connection) -> tuple[Run, Sequence[RunStep], list[str]]:
    messages = store.messages.all(connection, run_id=RUN.id)
    return (
        store.runs.get(connection, RUN.id),
        store.steps.all(connection, run_id=RUN.id),
        [message.status for message in messages],
    )


@pytest.mark.parametrize("loses", ["before", "after"])
def test_what_a_run_says_and_calls_is_there_once(tmp_path: Path, loses: str):
    async def story() -> None:
        async with opened(tmp_path / "x.db") as database:
            await database.write(accepted)
            losing, events = LosesAnAnswer(database), Events()
            events.open(RUN.id)
            recorder = Recorder(Segment(RUN, epoch=0, number=0), losing, events)
            recorder.began()
            losing.loses = loses
            await recorder.said("one")
            losing.loses = loses
            await recorder.called([CallPiece(0, "weather", "{}")])
            await recorder.ended(failed("server_error", "It broke off."))
            run, steps, messages = await database.read(left)
            assert run.status == "failed"
            assert [step.status for step in steps] == ["completed", "failed"]
            assert messages == ["completed"]

    asyncio.run(story())
