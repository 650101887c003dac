"""What listeners hear of a run beside what its recorder tells: from its rows, here or elsewhere."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.events import Events
from xiaozhi.runs.lifecycle import ACTIVE
from xiaozhi.runs.replay import replayed
from xiaozhi.runs.steps import message_id
from xiaozhi.runs.waiting import Submitted
from xiaozhi.store import Connection, Store, changed, reasoning_rows, written
from xiaozhi.store.reasoning_rows import Reasoning

if TYPE_CHECKING:  # one process alone needs nothing of what it imports
    from xiaozhi.dispatch.mirrors import Mirrors

FOLLOWED = 10  # times, a second each, that a run is looked for which nobody tells just now
NONE: Mapping[str, Message] = {}
UNFINISHED = ACTIVE - {"requires_action"}


class Telling:
    def __init__(self, store: Store, events: Events, mirrors: "Mirrors | None") -> None:
        """`mirrors`: of what other processes tell, where there are some."""
        self._store = store
        self._events = events
        self._mirrors = mirrors

    async def can_be_heard(self, thread_id: str, run_id: str) -> bool:
        """Whether what happens in the run can be listened to here, from its first event on.

        Where not, its rows say all (`told`). A run whose process has just died is waited for until
        another one has taken it up, within bounds. Raises NotFound.
        """
        if self._mirrors is None or self._events.published(run_id) is not None:
            return self._events.published(run_id) is not None
        for _ in range(FOLLOWED):
            if await self._mirrors.follow(run_id):
                return True
            run = await self._store.read(lambda c: store.runs.get(c, run_id, thread_id=thread_id))
            if run.status not in UNFINISHED:
                return False
        return False

    def created(self, run: Run, thread: Thread | None = None) -> None:
        """Tell that a run is there. `thread`: where it was made together with the run.

        Where that cannot be told, nothing is known of the run here.
        """
        with self._whole(run.id):
            self._events.open(run.id)
            if thread is not None:
                self._events.publish(run.id, "thread.created", written(thread))
            found = written(run)
            self._events.publish(run.id, "thread.run.created", found)
            self._events.publish(run.id, "thread.run.queued", found)

    async def told(self, thread_id: str, run_id: str) -> list[tuple[str, str]]:
        """All that was told about a run, (event, JSON), from its rows. Raises NotFound."""

        def work(
            connection: Connection,
        ) -> tuple[Run, list[RunStep], list[Message], list[Reasoning]]:
            run = store.runs.get(connection, run_id, thread_id=thread_id)
            return run, *_done(connection, run_id)

        # Of ten thousand calls, say
        rows = await self._store.read(work)
        return await asyncio.to_thread(lambda: list(replayed(*rows)))

    async def done(
        self, run_id: str
    ) -> tuple[Sequence[RunStep], dict[str, Message], Sequence[Reasoning]]:
        """The run's steps, oldest first, its messages by id, and what was thought in it."""
        steps, own, thoughts = await self._store.read(lambda c: _done(c, run_id))
        return steps, {message.id: message for message in own}, thoughts

    def taken_up(self, run_id: str) -> None:
        """The run was executed elsewhere, and is now told here; it may be listened to at once."""
        self._take(run_id)
        # What the process before has told may still be here, closed: it must not go on with this.
        self._events.moved_away(run_id)
        self._events.open(run_id)

    async def adopted(
        self,
        run: Run,
        steps: Sequence[RunStep],
        own: Mapping[str, Message],
        thoughts: Sequence[Reasoning],
    ) -> None:
        """The run goes on here: what it has done becomes its first events, where nobody knows."""
        if self._events.published(run.id):
            return
        with self._whole(run.id):
            self._events.open(run.id)
            not_begun = changed(run, {"started_at": None})
            for event, data in replayed(not_begun, steps, list(own.values()), thoughts):
                self._events.publish(run.id, event, data)

    async def submitted(self, what: Submitted) -> int:
        """A run goes on with what its client has found out; the number of the next event."""
        run = what.segment.run
        if not self._is_here(run.id):
            self._take(run.id)
            _, own, thoughts = await self.done(run.id)
            await self.adopted(run, what.before, own, thoughts)
        start = self._events.published(run.id) or 0
        with self._whole(run.id):
            self._events.publish(run.id, "thread.run.step.completed", written(what.step))
            self._events.publish(run.id, "thread.run.queued", written(run))
        return start

    def ended(
        self, run: Run, steps: Sequence[RunStep], messages: Mapping[str, Message] = NONE
    ) -> None:
        """A run is over that its recorder did not end: it waited for its client, say.

        `steps`: those that ended with it. `messages`: theirs, by id.
        """
        if not self._is_here(run.id):
            return self._take(run.id)
        with self._whole(run.id):
            for step in steps:
                if message := messages.get(message_id(step) or ""):
                    event = f"thread.message.{message.status}"
                    self._events.publish(run.id, event, written(message))
                self._events.publish(run.id, f"thread.run.step.{step.status}", written(step))
            self._events.publish(run.id, f"thread.run.{run.status}", written(run))
        self._events.close(run.id)

    @contextmanager
    def _whole(self, run_id: str) -> Generator[None]:
        """What is told in it is told whole; else listeners hear that they should read again."""
        with ExitStack() as stack:
            stack.callback(self._events.moved_away, run_id)
            yield
            stack.pop_all()

    def _is_here(self, run_id: str) -> bool:
        if self._mirrors is not None:
            return self._mirrors.is_told_here(run_id)
        return self._events.published(run_id) is not None

    def _take(self, run_id: str) -> None:
        if self._mirrors is not None:
            self._mirrors.take(run_id)


def _done(
    connection: Connection, run_id: str
) -> tuple[list[RunStep], list[Message], list[Reasoning]]:
    """The run's steps, its messages, and what was thought in it, oldest first."""
    steps = store.steps.all(connection, run_id=run_id)
    messages = store.messages.all(connection, run_id=run_id)
    return steps, messages, reasoning_rows.of_runs(connection, [run_id])
