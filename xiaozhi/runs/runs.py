"""The engine's front door: runs are created, set going, cancelled, and taken up again."""

from typing import TYPE_CHECKING

from openai.types.beta import Thread
from openai.types.beta.threads import Run

from xiaozhi import store, threads
from xiaozhi.chat_models import Catalog
from xiaozhi.dispatch import Dispatcher
from xiaozhi.errors import InvalidRequest, NotFound, RunNotReady
from xiaozhi.events import Events
from xiaozhi.ids import new_id, now
from xiaozhi.requests import CreateRun, CreateThreadAndRun, RunSettings, SubmitToolOutputs
from xiaozhi.runs import waiting
from xiaozhi.runs.admission import Admission
from xiaozhi.runs.execution import Execution
from xiaozhi.runs.expiry import Expiry
from xiaozhi.runs.forced_end import Ended, ForcedEnd, end
from xiaozhi.runs.lifecycle import moved
from xiaozhi.runs.new_run import EXPIRES_AFTER, new_run
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.patience import until_available
from xiaozhi.runs.retries import existing_run, is_answered_by
from xiaozhi.runs.shielding import shielded
from xiaozhi.runs.telling import Telling
from xiaozhi.runs.watchdog import Watchdog
from xiaozhi.store import (
    Connection,
    Segment,
    Store,
    Work,
    changed,
    message_rows,
    run_rows,
    thread_rows,
    written,
)

if TYPE_CHECKING:  # one process alone needs nothing of what it imports
    from xiaozhi.dispatch.mirrors import Mirrors


class Runs:
    def __init__(
        self,
        store: Store,
        events: Events,
        catalog: Catalog,
        dispatcher: Dispatcher,
        admission: Admission,
        *,
        mirrors: "Mirrors | None" = None,
        expires_after: int = EXPIRES_AFTER,
    ) -> None:
        """`mirrors`: of what other processes tell, where there are some.

        `expires_after`: s until a run that has not ended expires.
        """
        self._store = store
        self._events = events
        self.telling = Telling(store, events, mirrors)
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._expires_after = expires_after
        self._admission = admission
        self._expiry = Expiry(self._expire)
        self._forced_end = ForcedEnd(store, self.telling)
        self._execution = Execution(
            store, events, catalog, self.telling, self._expiry, self._forced_end
        )
        dispatcher.open(self._execution.execute, self._resume, self._expire)
        self._watchdog = Watchdog(store, dispatcher, self._forced_end, self._resume)

    @property
    def owner(self) -> str:
        """Under which name this process holds runs."""
        return self._dispatcher.owner

    async def close(self) -> None:
        """Interrupt everything; the rows stay as they are, for the next start."""
        await self._watchdog.close()
        await self._expiry.close()
        await self._dispatcher.close()

    async def create(self, thread_id: str, request: CreateRun, *, again: bool = False) -> Run:
        """A run that is on its way. Its events are published under its id, from the first on.

        `again`: the client may have sent the same request a moment ago; then it gets the same run.
        Raises NotFound (thread, assistant, model), InvalidRequest while another run holds the
        thread, TooManyRequests where the queue is full.
        """

        def wanted(connection: Connection) -> str | Run:
            at = now()
            run = self._new_run(connection, "", thread_id, request, at)
            same = again and existing_run(connection, run, request.additional_messages, at)
            return same or run.model

        def work(connection: Connection) -> tuple[Segment, None] | Run:
            run_id, at = new_id("run_"), now()
            is_free = run_rows.lock_thread(connection, thread_id, run_id, at)
            active = None if is_free else run_rows.hold_thread(connection, thread_id)
            if not is_free and active is None:  # the one that held it has just ended
                is_free = run_rows.lock_thread(connection, thread_id, run_id, at)
            run = self._new_run(connection, run_id, thread_id, request, at)
            if again and (same := existing_run(connection, run, request.additional_messages, at)):
                if is_free:
                    run_rows.unlock_thread(connection, run, at)
                return same
            if not is_free:
                raise InvalidRequest(f"Thread {thread_id} already has an active run {active}.")
            threads.add_messages_of_run(connection, thread_id, request.additional_messages, at)
            return self._added(connection, run), None

        async with self._admission.of(wanted) as same:
            return same or await shielded(self._created(work))

    async def create_with_thread(self, request: CreateThreadAndRun) -> Run:
        """A thread and its first run, both or neither.

        Raises NotFound (assistant, model), TooManyRequests where the queue is full.
        """

        def wanted(connection: Connection) -> str:
            return self._new_run(connection, "", "", request, now()).model

        def work(connection: Connection) -> tuple[Segment, Thread]:
            run_id, at = new_id("run_"), now()
            thread = threads.add_thread(connection, request.thread, at)
            run = self._new_run(connection, run_id, thread.id, request, at)
            run_rows.lock_thread(connection, thread.id, run_id, at)
            return self._added(connection, run), thread

        async with self._admission.of(wanted):
            return await shielded(self._created(work))

    async def modify(self, thread_id: str, run_id: str, metadata: dict[str, str]) -> str:
        """The run's JSON with its new metadata; possible in any state. Raises NotFound."""

        def work(connection: Connection) -> str:
            run = store.runs.locked(connection, run_id, thread_id=thread_id)
            run = changed(run, {"metadata": metadata})
            store.runs.save(connection, run)
            return written(run)

        return await self._store.write(work)

    async def submit(
        self, thread_id: str, run_id: str, request: SubmitToolOutputs, *, again: bool = False
    ) -> tuple[Run, int]:
        """The run goes on with what its client has found out; and the number of the next event.

        `again`: as for `create`. Raises NotFound, RunNotReady, InvalidRequest (contract 7.6).
        """

        def work(connection: Connection) -> waiting.Submitted | Run:
            if again and (same := _same(connection)):
                return same
            outputs, at = request.tool_outputs, now()
            return waiting.submit(connection, thread_id, run_id, outputs, owner=self.owner, at=at)

        def _same(connection: Connection) -> Run | None:
            run = store.runs.locked(connection, run_id, thread_id=thread_id)
            steps = store.steps.all(connection, run_id=run_id)
            is_same = any(is_answered_by(step, request.tool_outputs) for step in steps)
            return run if is_same else None

        async def take() -> tuple[Run, int]:
            submitted = await self._store.write(work)
            if isinstance(submitted, Run):
                return submitted, self._events.stretch(run_id)
            self._expiry.forget(run_id)
            self._execution.silence(run_id)
            try:
                return submitted.segment.run, await self.telling.submitted(submitted)
            finally:
                # It goes on, whoever hears of it.
                self._dispatcher.start(submitted.segment)

        return await shielded(take())

    async def cancel(self, thread_id: str, run_id: str) -> Run:
        """The run, `cancelling`, and `cancelled` within a moment; one that waits, at once.

        Raises NotFound, RunNotReady.
        """

        def work(connection: Connection) -> Ended:
            run = store.runs.locked(connection, run_id, thread_id=thread_id)
            if run.status == "requires_action":
                return end(connection, run, Outcome("cancelled"), now())
            if run.status not in ("queued", "in_progress"):
                raise RunNotReady(f"Cannot cancel run with status '{run.status}'.")
            cancelling = moved(run, "cancelling", now())
            kept = run_rows.move_run(connection, cancelling, was={run.status})
            assert kept is not None, "it was read in this transaction"
            return Ended(kept, (), {})

        async def cancel() -> Run:
            cancelled = await self._store.write(work)
            if cancelled.run.status == "cancelled":
                self._ended(cancelled)
            else:
                self._dispatcher.cancel(run_id)
            return cancelled.run

        return await shielded(cancel())

    async def delete_thread(self, thread_id: str) -> None:
        """With all that it holds; a run that is under way is cancelled. Raises NotFound."""

        def work(connection: Connection) -> Run | None:
            active = run_rows.active_run(connection, thread_id)
            run = store.runs.locked(connection, active) if active else None
            thread_rows.delete(connection, thread_id)
            return run

        async def delete() -> None:
            run = await self._store.write(work)
            if run is None or self._dispatcher.cancel(run.id):
                return
            if run.status == "requires_action":
                self._ended(Ended(moved(run, "cancelled", now()), (), {}))

        await shielded(delete())

    async def recover(self) -> int:
        """Take up everything that was left unfinished; returns how many runs that were."""
        taken_up = await self._dispatcher.recover()
        for thread_id, run_id, at in await self._store.read(run_rows.waiting_runs):
            self._expiry.set(thread_id, run_id, at)
        self._watchdog.start()
        return taken_up

    def _new_run(
        self, connection: Connection, run_id: str, thread_id: str, request: RunSettings, at: int
    ) -> Run:
        assistant = store.assistants.get(connection, request.assistant_id)
        return new_run(
            run_id,
            thread_id,
            assistant,
            request,
            model=self._catalog.resolved(request.model or assistant.model),
            at=at,
            expires_after=self._expires_after,
        )

    def _added(self, connection: Connection, run: Run) -> Segment:
        messages = message_rows.all_if_few(connection, run.thread_id)
        if messages == [] and not run.instructions:
            raise InvalidRequest(
                f"Thread {run.thread_id} has no messages and the run has no instructions: there is "
                "nothing to answer. Add a message to the thread, or pass 'additional_messages' or "
                "'instructions'.",
                code="invalid_thread",
            )
        expires_at = run.created_at + self._expires_after
        run_rows.add_run(connection, run, owner=self.owner, expires_at=expires_at)
        return Segment(run, epoch=0, number=0, messages=messages)

    async def _created(self, work: Work[tuple[Segment, Thread | None] | Run]) -> Run:
        """What `work` made, set going; one that was there before is so already."""
        made = await self._store.write(work)
        if isinstance(made, Run):
            return made
        segment, thread = made
        try:
            self.telling.created(segment.run, thread)
        finally:
            # It is there, whoever hears of it.
            self._dispatcher.start(segment)
        return segment.run

    def _resume(self, segment: Segment) -> None:
        """Go on with what another process has left."""
        self._execution.silence(segment.run.id)
        self.telling.taken_up(segment.run.id)
        self._dispatcher.start(segment)

    def _ended(self, ended: Ended) -> None:
        """A run that waited is over."""
        self._expiry.forget(ended.run.id)
        self._forced_end.tell(ended)

    async def _expire(self, thread_id: str, run_id: str) -> None:
        is_again = False

        def work(connection: Connection) -> Ended | None:
            nonlocal is_again
            run = store.runs.locked(connection, run_id, thread_id=thread_id)
            if run.status == "requires_action":
                is_again = True
                return end(connection, run, Outcome("expired"), now())
            if run.status == "expired" and is_again:
                # That was us: only the answer to the commit was lost.
                steps = store.steps.all(connection, run_id=run_id)
                return Ended(run, [step for step in steps if step.status == "expired"], {})
            return None

        what = f"run {run_id}: that it has expired cannot be written"
        try:
            ended = await until_available(what, lambda: self._store.write(work))
        except NotFound:
            return
        if ended is not None:
            self._ended(ended)
