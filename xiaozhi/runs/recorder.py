"""Writes down what happens in one segment of a run, then tells it.

One method for each thing that can happen; each saves in one transaction, then publishes, so that
what a client has been told, it can also read. Every event name of a run stands here, in order
(contract 9.3):

    thread.run.created, .queued                                 created (by whoever kept the run)
    thread.run.in_progress                                      began
    thread.run.step.created, .in_progress,
    thread.message.created, .in_progress, .delta                text (its first piece; then .delta
    alone) thread.message.completed | .incomplete, thread.run.step.completed | .failed | .cancelled
    | .expired, thread.run.completed | .incomplete | .failed | .cancelled | .expired       ended

Two exceptions to "save, then tell", both for speed: `thread.run.in_progress` is told while it is
being saved, and pieces of text are saved once a second and at the end.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import RunStep

from xiaozhi.errors import XiaozhiError
from xiaozhi.events import Events
from xiaozhi.ids import now
from xiaozhi.runs.answer import Answer, add, put
from xiaozhi.runs.lifecycle import before, moved
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.saves import Saves
from xiaozhi.store import Connection, Segment, Store, Work, changed, run_rows, written

TEXT_IS_SAVED_WITHIN = 1.0  # s
START_IS_SAVED_WITHIN = 0.01  # s; a fast model's first words come with it in one transaction

Value = TypeVar("Value")
Keep = Callable[[Connection, RunStep, Message], None]

log = logging.getLogger(__name__)


class TakenOver(XiaozhiError):
    """The run's row no longer says what we think: cancelled, held by another process, gone."""


def created(events: Events, run: Run, thread: Thread | None = None) -> None:
    """Tell that a run is there. `thread`: where it was made together with the run."""
    events.open(run.id)
    if thread is not None:
        events.publish(run.id, "thread.created", written(thread))
    told = written(run)
    events.publish(run.id, "thread.run.created", told)
    events.publish(run.id, "thread.run.queued", told)


class Recorder:
    def __init__(self, segment: Segment, store: Store, events: Events) -> None:
        self.run = segment.run
        self.epoch = segment.epoch
        self.messages = segment.messages
        self._store = store
        self._events = events
        self._saves = Saves(store, f"run {segment.run.id}")
        self._answer: Answer | None = None
        self._ended_steps: list[RunStep] = []

    def adopt(self, steps: Sequence[RunStep], message: Message | None) -> None:
        """Go on where another segment or process left off. `message`: the one still open."""
        for step in steps:
            if step.status != "in_progress":
                self._ended_steps.append(step)
            elif message is not None:
                self._answer = Answer(step, message, told=False)

    def began(self) -> None:
        """The model is being asked. A segment that is done again has begun before."""
        if self.run.status == "queued":
            run = self.run = moved(self.run, "in_progress", now())

            def work(connection: Connection) -> None:
                run_rows.move_run(connection, run, was={"queued"}, epoch=self.epoch)

            self._saves.soon("start", lambda: work, START_IS_SAVED_WITHIN)
        self._publish("thread.run.in_progress", self.run)

    async def text(self, piece: str) -> None:
        """A piece of the model's answer. The first one makes the message."""
        if self._answer is None or not self._answer.told:
            await _to_its_end(self._new_answer(piece))
        else:
            self._tell_text(self._answer, piece)

    async def ended(self, outcome: Outcome) -> None:
        """The run is over.

        Raises TakenOver, and Unavailable where it cannot be saved; then it may be called again.
        """
        await _to_its_end(self._end(outcome))

    async def left(self) -> None:
        """This process stops here; the run stays as it is, for whoever takes it up."""
        if self._answer:
            await _to_its_end(self._saves.now(self._keeping(self._answer)))

    def deleted(self) -> None:
        """The run is gone, with its thread. Nothing is left to save; listeners hear an end."""
        run = changed(self.run, {"status": "cancelled", "cancelled_at": now(), "expires_at": None})
        self._publish("thread.run.cancelled", run)
        self._events.close(self.run.id)

    def gave_up(self) -> None:
        """The end is not ours to write, or could not be written: listeners must not wait for it."""
        message = "The run went on elsewhere, or its end could not be saved. Please read it again."
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        self._events.publish(self.run.id, "error", json.dumps({"error": error}))
        self._events.close(self.run.id)

    async def _new_answer(self, piece: str) -> None:
        answer = Answer.new(self.run, len(self._ended_steps), now())
        # A segment that is done again may find the rows of its first try.
        await self._saves.now(self._keeping(answer, put if self.epoch else add))
        self._answer = answer
        self._tell(answer)
        # With the others in one go, not a turn of the event loop later
        self._tell_text(answer, piece)

    def _tell_text(self, answer: Answer, piece: str) -> None:
        self._events.publish(self.run.id, "thread.message.delta", answer.add(piece))
        self._saves.soon("answer", lambda: self._keeping(answer), TEXT_IS_SAVED_WITHIN)

    def _tell(self, answer: Answer) -> None:
        message = answer.message()
        self._publish("thread.run.step.created", answer.step)
        self._publish("thread.run.step.in_progress", answer.step)
        self._publish("thread.message.created", message)
        self._publish("thread.message.in_progress", message)
        answer.told = True

    async def _end(self, outcome: Outcome) -> None:
        at = now()
        answer = self._answer
        closed = answer.closed(outcome, at) if answer else None
        steps = [*self._ended_steps, closed[0]] if closed else self._ended_steps
        usage = _sum(steps, None if closed else outcome.usage)
        run = moved(self.run, outcome.status, at, usage=usage, **outcome.changes)

        def work(connection: Connection) -> Run:
            was = before(outcome.status)
            kept = run_rows.move_run(connection, run, was=was, epoch=self.epoch)
            if kept is None:
                raise TakenOver(f"Run '{run.id}' cannot become {run.status} any more.")
            if closed:
                put(connection, *closed)
            run_rows.unlock_thread(connection, run, at)
            return kept

        self._saves.drop("answer")
        self.run = await self._saves.now(work)
        self._answer = None
        if answer and closed:
            if not answer.told:
                self._tell(answer)
            step, message = closed
            self._publish(f"thread.message.{message.status}", message)
            self._publish(f"thread.run.step.{step.status}", step)
        self._publish(f"thread.run.{self.run.status}", self.run)
        self._events.close(self.run.id)

    def _keeping(self, answer: Answer, keep: Keep = put) -> Work[None]:
        step, message = answer.step, answer.message()

        def work(connection: Connection) -> None:
            if not run_rows.is_held(connection, self.run.id, self.epoch):
                raise TakenOver(f"Run '{self.run.id}' was taken over, or deleted.")
            keep(connection, step, message)

        return work

    def _publish(self, event: str, obj: Run | RunStep | Message) -> None:
        self._events.publish(self.run.id, event, written(obj))


def _sum(steps: Sequence[RunStep], more: Usage | None) -> dict[str, int]:
    """The run's usage: over its steps, and of a turn that made none. Zeros if no model answered."""
    usages = [step.usage for step in steps if step.usage] + ([more] if more else [])
    return {
        key: sum(getattr(usage, key) for usage in usages)
        for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    }


async def _to_its_end(doing: Coroutine[Any, Any, Value]) -> Value:
    """Do it whole, also when the task is cancelled meanwhile: nothing is half-written."""
    task = asyncio.ensure_future(doing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if error := task.exception():
            log.warning("interrupted, and then: %s", error)
        raise
