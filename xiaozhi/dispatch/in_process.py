"""Segments are tasks of this process. What it leaves unfinished, the next start takes up."""

import asyncio

from xiaozhi.dispatch.dispatcher import Execute, Expire, Resume
from xiaozhi.store import Segment, Store, left_runs


class InProcess:
    def __init__(self, store: Store, owner: str) -> None:
        """`owner`: under which name this process holds runs."""
        self._store = store
        self.owner = owner
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._execute: Execute | None = None
        self._resume: Resume | None = None

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
        return run_id in self._tasks

    def start(self, segment: Segment) -> None:
        task = asyncio.ensure_future(self._run(segment))
        self._tasks[segment.run.id] = task

    def cancel(self, run_id: str) -> bool:
        task = self._tasks.get(run_id)
        if task is None:
            return False
        # Not at once: a task that is cancelled before its first step does not even begin, and then
        # nobody would write the run's end.
        asyncio.get_running_loop().call_soon(task.cancel)
        return True

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, segment: Segment) -> None:
        assert self._execute is not None, "open() comes first"
        try:
            await self._execute(segment)
        finally:
            if self._tasks.get(segment.run.id) is asyncio.current_task():
                del self._tasks[segment.run.id]
