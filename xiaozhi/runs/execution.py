"""Segments are executed: the model is asked, and however that ends is written down."""

import asyncio
import logging
import time

from openai.types.beta.threads import Run

from xiaozhi import chat_models
from xiaozhi.chat_models import Catalog
from xiaozhi.errors import ModelFailed, NotFound, Unavailable
from xiaozhi.events import Events
from xiaozhi.runs.agent_loop import run_agent
from xiaozhi.runs.expiry import Expiry
from xiaozhi.runs.outcome import ActionRequired, Outcome, failed
from xiaozhi.runs.patience import until_available
from xiaozhi.runs.recorder import Recorder, TakenOver
from xiaozhi.runs.telling import Telling
from xiaozhi.store import Segment, Store, run_rows

SETTLED_WITHIN = 5.0  # s

log = logging.getLogger(__name__)


class Execution:
    def __init__(
        self, store: Store, events: Events, catalog: Catalog, telling: Telling, expiry: Expiry
    ) -> None:
        self._store = store
        self._events = events
        self._catalog = catalog
        self._telling = telling
        self._expiry = expiry
        # Of the runs that are executed here now, by their ids
        self._executing: dict[str, tuple[Recorder, asyncio.Task[None]]] = {}

    def silence(self, run_id: str) -> None:
        """The run was taken from this process, and is back before that has noticed."""
        if run_id in self._executing:
            stale, task = self._executing[run_id]
            stale.gave_up()
            task.cancel()

    async def execute(self, segment: Segment) -> None:
        """One segment, to its end, whatever happens. Raises CancelledError alone."""
        recorder = Recorder(segment, self._store, self._events)
        task = asyncio.current_task()
        assert task is not None, "it is executed in a task of its own"
        self._executing[segment.run.id] = recorder, task
        try:
            outcome = await self._outcome(recorder, repeated=segment.epoch > 0)
            await self._end(recorder, outcome)
            if isinstance(outcome, ActionRequired):
                run = recorder.run
                self._expiry.set(run.thread_id, run.id, run.expires_at or 0)
        except TakenOver as error:
            log.info("%s", error)
            await self._settle_whole(recorder)
        except asyncio.CancelledError:
            if await self._goes_on(recorder):
                # Nobody cancelled the run: this process is being stopped.
                await recorder.left()
                raise
            await self._settle_whole(recorder)
        finally:
            if self._executing.get(segment.run.id) == (recorder, task):
                del self._executing[segment.run.id]

    async def _outcome(self, recorder: Recorder, *, repeated: bool) -> Outcome | ActionRequired:
        """How the segment ends; that is not written yet. Raises TakenOver."""
        run = recorder.run
        try:
            if repeated:
                await self._adopt(recorder)
            if run.status == "cancelling":
                if not repeated:
                    recorder.cancelling(run)
                return Outcome("cancelled")
            if (run.expires_at or 0) <= time.time():
                # While it waited for a place: it does not even begin.
                return Outcome("expired")
            async with asyncio.timeout((run.expires_at or 0) - time.time()):
                model, name = await self._catalog.named(run.model)
                return await run_agent(recorder, self._store, model, name)
        except TimeoutError:
            return Outcome("expired")
        except TakenOver:
            raise
        except ModelFailed as error:
            chat_models.failed(error)
            return failed(error.last_error, error.message)
        except Unavailable as error:
            log.error("run %s failed: %s", run.id, error)
            return failed("server_error", error.message)
        except Exception:
            log.exception("run %s failed", run.id)
            return failed(
                "server_error", "The server had an error processing your request. Sorry about that!"
            )

    async def _adopt(self, recorder: Recorder) -> None:
        run = recorder.run
        what = f"run {run.id} cannot be read"
        recorder.adopt(*await until_available(what, lambda: self._telling.done(run.id)))
        await self._telling.adopted(run, recorder.steps, recorder.own, recorder.thoughts)

    async def _end(self, recorder: Recorder, outcome: Outcome | ActionRequired) -> None:
        """Write the end, however long that takes: a run must not stay as if it went on.

        Raises TakenOver.
        """

        async def write() -> None:
            if isinstance(outcome, ActionRequired):
                await recorder.action_required(outcome)
            else:
                await recorder.ended(outcome)

        what = f"run {recorder.run.id}: its end cannot be written"
        await until_available(what, write, takes_long=recorder.gave_up)

    async def _settle_whole(self, recorder: Recorder) -> None:
        """Also when a cancel comes late, and reaches the task in the midst of it."""
        settling = asyncio.ensure_future(self._settle(recorder))
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            await asyncio.wait([settling], timeout=SETTLED_WITHIN)
            settling.cancel()
            raise

    async def _settle(self, recorder: Recorder) -> None:
        """The run's row does not say what we thought: do as it says."""
        what = f"run {recorder.run.id} cannot be read"
        try:
            run = await until_available(what, lambda: self._held(recorder))
        except NotFound:
            return recorder.deleted()
        if run is None or run.status != "cancelling":
            return recorder.gave_up()
        recorder.cancelling(run)
        await self._end(recorder, Outcome("cancelled"))

    async def _goes_on(self, recorder: Recorder) -> bool:
        try:
            run = await self._held(recorder)
        except NotFound:
            return False
        except Unavailable:
            # Then nobody can have cancelled it.
            return True
        return run is not None and run.status in ("queued", "in_progress")

    async def _held(self, recorder: Recorder) -> Run | None:
        run_id, epoch = recorder.run.id, recorder.epoch
        return await self._store.read(lambda c: run_rows.held_run(c, run_id, epoch))
