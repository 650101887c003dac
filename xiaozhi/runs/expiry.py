"""When runs that wait for their client expire: one timer each, since nobody executes them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

Expire = Callable[[str, str], Awaitable[None]]  # of (thread id, run id)


class Expiry:
    def __init__(self, expire: Expire) -> None:
        self._expire = expire
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._expiring: set[asyncio.Future[None]] = set()

    def set(self, thread_id: str, run_id: str, at: int) -> None:
        """The run ends at `at`, Unix seconds, if nothing comes before."""

        def expire() -> None:
            del self._timers[run_id]
            task = asyncio.ensure_future(self._expire(thread_id, run_id))
            self._expiring.add(task)
            task.add_done_callback(self._expiring.discard)

        self.forget(run_id)
        later = max(0.0, at - time.time())
        self._timers[run_id] = asyncio.get_running_loop().call_later(later, expire)

    def forget(self, run_id: str) -> None:
        """It waits no more."""
        if timer := self._timers.pop(run_id, None):
            timer.cancel()

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        await asyncio.gather(*self._expiring, return_exceptions=True)
