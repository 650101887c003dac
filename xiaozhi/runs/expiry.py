"""When runs that wait for their client expire: one timer each, since nobody executes them.

A clock that is set back must not keep a run, and with it its thread, for longer than it was given;
one that jumps ahead, as after a sleep, ends it soon. So the timer looks at both: the time that has
passed, and the clock.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

Expire = Callable[[str, str], Awaitable[None]]  # of (thread id, run id)

LOOKS_EVERY = 5.0  # s between looks at the clock
ENDED_WITHIN = 2.0  # s that a run which has just expired has to be ended when the process stops

log = logging.getLogger(__name__)


class Expiry:
    def __init__(self, expire: Expire) -> None:
        self._expire = expire
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._expiring: set[asyncio.Future[None]] = set()

    def set(self, thread_id: str, run_id: str, at: int) -> None:
        """The run ends at `at`, Unix seconds, if nothing comes before."""
        self.forget(run_id)
        loop = asyncio.get_running_loop()
        ends = loop.time() + at - time.time()

        def look() -> None:
            left = min(ends - loop.time(), at - time.time())
            if left > 0:
                self._timers[run_id] = loop.call_later(min(left, LOOKS_EVERY), look)
                return
            del self._timers[run_id]
            task = asyncio.ensure_future(self._expire(thread_id, run_id))
            self._expiring.add(task)
            task.add_done_callback(self._expired)

        self._timers[run_id] = loop.call_later(0, look)

    def forget(self, run_id: str) -> None:
        """It waits no more."""
        if timer := self._timers.pop(run_id, None):
            timer.cancel()

    async def close(self) -> None:
        """What expires in this moment has a moment to do so; the next start finds the rest."""
        for timer in self._timers.values():
            timer.cancel()
        if self._expiring:
            await asyncio.wait(self._expiring, timeout=ENDED_WITHIN)
        for task in self._expiring:
            task.cancel()

    def _expired(self, task: "asyncio.Future[None]") -> None:
        self._expiring.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # The watchdog ends the run.
            log.error("a run that has expired was not ended", exc_info=error)
