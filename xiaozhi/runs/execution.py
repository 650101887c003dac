"""Segments are executed: the model is asked, and however that ends is written down.

Whatever fails on the way, the run comes to an end that is written and told:

    the model's turn ──► how it ends ──► written and told by the recorder
          │                                       │ raises what nobody expects
          └─ raises what nobody expects:          ▼
             the run ends as failed          written by the rows alone (`forced_end`), then told
                                                  │ raises again and again
                                                  ▼
                                             left to the watchdog
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TypeVar

from openai.types.beta.threads import Run

from xiaozhi import chat_models
from xiaozhi.chat_models import Catalog
from xiaozhi.errors import ModelFailed, NotFound, Unavailable
from xiaozhi.events import Events
from xiaozhi.runs import read_pauses, watched
from xiaozhi.runs.agent_loop import run_agent
from xiaozhi.runs.expiry import Expiry
from xiaozhi.runs.forced_end import Ended, ForcedEnd
from xiaozhi.runs.outcome import ActionRequired, Outcome, failed
from xiaozhi.runs.patience import until_available
from xiaozhi.runs.recorder import Recorder, TakenOver
from xiaozhi.runs.shielding import shielded
from xiaozhi.runs.telling import Telling
from xiaozhi.store import Segment, Store, run_rows

FORCED_PAUSES = (0.1, 0.5, 2.0)  # s between the tries to end a run by its rows
UNEXPECTED = "The server had an error processing your request. Sorry about that!"

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Execution:
    def __init__(
        self,
        store: Store,
        events: Events,
        catalog: Catalog,
        telling: Telling,
        expiry: Expiry,
        forced_end: ForcedEnd,
    ) -> None:
        self._store = store
        self._events = events
        self._catalog = catalog
        self._telling = telling
        self._expiry = expiry
        self._forced_end = forced_end
        # Of the runs that are executed here now, by their ids
        self._executing: dict[str, tuple[Recorder, asyncio.Task[None]]] = {}

    def silence(self, run_id: str) -> None:
        """Call it before a run goes on here: it may have been taken from this process, and be back
        before that has noticed.

        Else what is executed here has written that the run waits for its client, and has ended.
        """
        if run_id in self._executing:
            stale, task = self._executing[run_id]
            if stale.run.status != "requires_action":
                stale.gave_up()
                task.cancel()

    async def execute(self, segment: Segment) -> None:
        """One segment, to its end, whatever happens. Raises CancelledError alone."""
        recorder = Recorder(segment, self._store, self._events)
        task = asyncio.current_task()
        assert task is not None, "it is executed in a task of its own"
        self._executing[segment.run.id] = recorder, task
        try:
            executed = watched.watched(segment, lambda: self._execute(recorder, segment))
            if isinstance(await _attempt(segment.run, executed), Exception):
                await shielded(self._force_end(recorder))
        finally:
            if self._executing.get(segment.run.id) == (recorder, task):
                del self._executing[segment.run.id]

    async def _execute(self, recorder: Recorder, segment: Segment) -> None:
        try:
            outcome = await _attempt(segment.run, self._outcome(recorder, segment))
            if isinstance(outcome, TakenOver):
                raise outcome
            if isinstance(outcome, Exception):
                outcome = failed("server_error", UNEXPECTED)
            await self._end(recorder, outcome)
            if isinstance(outcome, ActionRequired):
                run = recorder.run
                self._expiry.set(run.thread_id, run.id, run.expires_at or 0)
        except TakenOver as error:
            log.info("%s", error)
            await shielded(self._settle(recorder))
        except asyncio.CancelledError:
            if await self._goes_on(recorder):
                # Nobody cancelled the run: this process is being stopped.
                await _attempt(segment.run, recorder.left())
                raise
            await shielded(self._settle(recorder))

    async def _outcome(self, recorder: Recorder, segment: Segment) -> Outcome | ActionRequired:
        """How the segment ends; that is not written yet. Raises TakenOver."""
        run, repeated = recorder.run, segment.epoch > 0
        try:
            if repeated:
                await self._adopt(recorder)
            elif self._events.published(run.id) is None:
                # That it is there could not be told before.
                self._telling.created(run)
            if run.status == "cancelling":
                if not repeated:
                    recorder.cancelling(run)
                return Outcome("cancelled")
            if (run.expires_at or 0) <= time.time():
                # While it waited for a place: it does not even begin.
                return Outcome("expired")
            return await self._asked(recorder)
        except ModelFailed as error:
            chat_models.failed(error)
            return failed(error.last_error, error.message)
        except Unavailable as error:
            log.error("run %s failed: %s", run.id, error)
            return failed("server_error", error.message)

    async def _pause(self, tokens: int) -> None:
        await read_pauses.pause(len(self._executing), tokens)

    async def _asked(self, recorder: Recorder) -> Outcome | ActionRequired:
        run = recorder.run
        limit = asyncio.timeout((run.expires_at or 0) - time.time())
        try:
            async with limit:
                model, name = await self._catalog.named(run.model)
                return await run_agent(recorder, self._store, model, name, self._pause)
        except TimeoutError:
            if limit.expired():
                return Outcome("expired")
            raise

    async def _adopt(self, recorder: Recorder) -> None:
        run = recorder.run
        what = f"run {run.id} cannot be read"
        recorder.adopt(*await until_available(what, lambda: self._telling.done(run.id)))
        await self._telling.adopted(run, recorder.steps, recorder.own, recorder.thoughts)

    async def _end(self, recorder: Recorder, outcome: Outcome | ActionRequired) -> None:
        """Write the end, however long that takes: a run must not stay as if it went on.

        Raises TakenOver, and what nobody expects.
        """

        async def write() -> None:
            if isinstance(outcome, ActionRequired):
                await recorder.action_required(outcome)
            else:
                await recorder.ended(outcome)

        what = f"run {recorder.run.id}: its end cannot be written"
        await until_available(what, write, takes_long=recorder.gave_up)

    async def _settle(self, recorder: Recorder) -> None:
        """The run's row does not say what we thought: do as it says."""
        what = f"run {recorder.run.id} cannot be read"
        try:
            run = await until_available(what, lambda: self._held(recorder))
        except NotFound:
            return recorder.deleted()
        if run is not None and run.status == "cancelling":
            recorder.cancelling(run)
            return await self._end(recorder, Outcome("cancelled"))
        if run is not None and run.status in ("queued", "in_progress"):
            # It is ours, and nobody else would ever end it.
            return await self._force_end(recorder)
        recorder.gave_up()

    async def _force_end(self, recorder: Recorder) -> None:
        """End the run by its rows, where this process still holds it and it has not ended."""
        run, outcome = recorder.run, failed("server_error", UNEXPECTED)
        what = f"run {run.id}: its end cannot be written"

        async def write() -> Ended | None:
            return await self._forced_end.write(run.id, outcome, epoch=recorder.epoch)

        ended: Ended | Exception | None = None
        for pause in FORCED_PAUSES:
            ended = await _attempt(run, until_available(what, write))
            if isinstance(ended, NotFound):
                return recorder.deleted()
            if not isinstance(ended, Exception):
                break
            await asyncio.sleep(pause)
        if isinstance(ended, Ended):
            return self._forced_end.tell(ended)
        recorder.gave_up()

    async def _goes_on(self, recorder: Recorder) -> bool:
        """Whether the run's row says that nobody has cancelled it, nor taken it away."""
        what = f"run {recorder.run.id} cannot be read"
        try:
            run = await until_available(what, lambda: self._held(recorder))
        except NotFound:
            return False
        return run is not None and run.status in ("queued", "in_progress")

    async def _held(self, recorder: Recorder) -> Run | None:
        run_id, epoch = recorder.run.id, recorder.epoch
        return await self._store.read(lambda c: run_rows.held_run(c, run_id, epoch))


async def _attempt(run: Run, doing: Awaitable[Value]) -> Value | Exception:
    """What `doing` returns or raises. Only CancelledError is raised here."""
    try:
        return await doing
    except Exception as error:  # a run's task: the run must come to an end whatever this is
        if not isinstance(error, TakenOver | NotFound):
            log.exception("run %s failed", run.id)
        return error
