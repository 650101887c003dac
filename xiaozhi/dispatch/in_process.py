"""Segments are tasks of this process. What it leaves unfinished, the next start takes up."""

import asyncio
import logging
import time
from collections.abc import Collection
from contextvars import Context, copy_context
from dataclasses import replace

from xiaozhi import metrics
from xiaozhi.dispatch.dispatcher import AT_ONCE, Execute, Expire, Resume
from xiaozhi.dispatch.pace import Pace
from xiaozhi.dispatch.places import Places
from xiaozhi.store import Segment, Store, changed, left_runs

# s; a timer must not ring before the clock says so
BEHIND = 0.01
# s that runs have, when the process stops, to save what was said; and then to leave it at that
SAVED_WITHIN, INTERRUPTED_WITHIN = 5.0, 1.0

log = logging.getLogger(__name__)


class InProcess:
    def __init__(self, store: Store, owner: str, places: Places) -> None:
        """`owner`: under which name this process holds runs."""
        self._store = store
        self.owner = owner
        self._places = places
        self._pace = Pace()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # With those whose run has gone on to another task
        self._all_tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[str] = set()
        # In which epoch runs are held that are executed here, or will be
        self._epochs: dict[str, int] = {}
        # Of those that wait for a place: when they expire, and which request they come from
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._contexts: dict[str, Context] = {}
        self._execute: Execute | None = None
        self._resume: Resume | None = None

    @property
    def under_way(self) -> Collection[str]:
        return self._tasks.keys()

    def open(self, execute: Execute, resume: Resume, expire: Expire) -> None:
        self._execute = execute
        self._resume = resume

    async def recover(self) -> int:
        assert self._resume is not None, "open() comes first"
        left = await self._store.write(lambda c: left_runs.claim_all(c, self.owner))
        for segment in left:
            self._resume(segment)
        return len(left)

    def knows(self, run_id: str) -> bool:
        return run_id in self._tasks or run_id in self._places.waiting

    def room(self, model: str | None = None) -> int:
        return self._places.room(model)

    def retry_after(self) -> int:
        return self._pace.retry_after(time.monotonic())

    def start(self, segment: Segment) -> None:
        if segment.epoch < self._epochs.get(segment.run.id, 0):
            # It was taken up anew before it could start.
            return
        self._epochs[segment.run.id] = segment.epoch
        is_first = not self._places.waiting
        if self._places.enter(segment):
            self._begin(segment)
            return
        if is_first:
            self._pace = Pace(time.monotonic())
        run = segment.run
        later = max(0.0, (run.expires_at or 0) - time.time()) + BEHIND
        loop = asyncio.get_running_loop()
        self._timers[run.id] = loop.call_later(later, self._begin_without_place, run.id)
        self._contexts[run.id] = copy_context()
        metrics.queue_length(len(self._places.waiting))

    def cancel(self, run_id: str) -> bool:
        if segment := self._withdrawn(run_id):
            # It needs no place to be told that it is over.
            run = changed(segment.run, {"status": "cancelling"})
            self._begin(replace(segment, run=run), has_place=False)
            return True
        task = self._tasks.get(run_id)
        if task is None:
            return False
        if run_id in self._cancelled:
            # It is writing its end.
            return True
        self._cancelled.add(run_id)
        # Not at once: a task that is cancelled before its first step does not even begin, and then
        # nobody would write the run's end.
        asyncio.get_running_loop().call_soon(task.cancel)
        return True

    def stop_beginning(self) -> None:
        self._places.close()

    def interrupt(self, run_id: str) -> None:
        if self._withdrawn(run_id):
            self._epochs.pop(run_id, None)
            self._contexts.pop(run_id, None)
        elif task := self._tasks.get(run_id):
            task.cancel(AT_ONCE)

    async def close(self) -> None:
        self.stop_beginning()
        for timer in self._timers.values():
            timer.cancel()
        # Those that a client has cancelled are writing their end.
        ending = {self._tasks.get(run_id) for run_id in self._cancelled}
        for task in self._all_tasks - ending:
            task.cancel()
        for within in (SAVED_WITHIN, INTERRUPTED_WITHIN):
            if self._all_tasks:
                await asyncio.wait(self._all_tasks, timeout=within)
            for task in self._all_tasks:
                task.cancel(AT_ONCE)
        if self._all_tasks:
            log.error("%s runs could not be interrupted", len(self._all_tasks))

    def _begin(self, segment: Segment, *, has_place: bool = True) -> None:
        run_id = segment.run.id
        # Not that of the run that has made room for it
        context = self._contexts.pop(run_id, None)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run(segment, has_place), context=context)
        self._tasks[run_id] = task
        self._all_tasks.add(task)
        task.add_done_callback(self._has_ended)
        self._cancelled.discard(run_id)

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        self._all_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a run's task failed", exc_info=error)

    def _begin_without_place(self, run_id: str) -> None:
        if segment := self._withdrawn(run_id):
            self._begin(segment, has_place=False)

    def _withdrawn(self, run_id: str) -> Segment | None:
        """The segment that waited, if one did, with its timer stopped."""
        if timer := self._timers.pop(run_id, None):
            timer.cancel()
        segment = self._places.withdraw(run_id)
        metrics.queue_length(len(self._places.waiting))
        return segment

    async def _run(self, segment: Segment, has_place: bool) -> None:
        assert self._execute is not None, "open() comes first"
        try:
            await self._execute(segment)
        finally:
            if self._tasks.get(segment.run.id) is asyncio.current_task():
                del self._tasks[segment.run.id]
                self._cancelled.discard(segment.run.id)
                self._epochs.pop(segment.run.id, None)
            if has_place:
                self._make_room(segment)

    def _make_room(self, left: Segment) -> None:
        self._places.leave(left)
        self._pace.became_free(time.monotonic())
        while segment := self._places.next():
            if timer := self._timers.pop(segment.run.id, None):
                timer.cancel()
            self._begin(segment)
        metrics.queue_length(len(self._places.waiting))
