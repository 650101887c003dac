"""Lets many that are ready at once go on some at a time, so that the event loop gets to others.

A thousand tasks that are woken together run in one round of the loop, and everybody else waits for
the last of them.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

AT_ONCE = 8  # each begins a request or writes to a socket, say: 0.1 to 1 ms
EVERY = 0.002  # s


class Turns:
    """First come, first served. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = AT_ONCE
        self._since = 0.0

    async def mine(self) -> None:
        """Wait for a turn; where few want one it comes at once."""
        waiter = asyncio.get_running_loop().create_future()
        self.wake([waiter])
        await waiter

    def wake(self, waiters: Iterable[asyncio.Future[None]]) -> None:
        """Set their results, each in its turn."""
        is_going_on = bool(self._waiting)
        self._waiting.extend(waiters)
        if not is_going_on:
            self._go_on()

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._since >= EVERY:
            self._left, self._since = AT_ONCE, loop.time()
        while self._waiting and self._left:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._left -= 1
        if self._waiting:
            loop.call_later(EVERY, self._go_on)
