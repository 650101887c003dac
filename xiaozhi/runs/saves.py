"""The writes of one segment, in order: at once, or with the next one, or a little later."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from xiaozhi.errors import XiaozhiError
from xiaozhi.store import Connection, Store, Work

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Saves:
    def __init__(self, store: Store, name: str) -> None:
        """`name`: for the log."""
        self._store = store
        self._name = name
        self._waiting: dict[str, Callable[[], Work[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def soon(self, what: str, work: Callable[[], Work[None]], within: float) -> None:
        """Write `what` with the next write, or in `within` s. `work` is made then: up to date.

        What waits already goes on waiting.
        """
        if what in self._waiting:
            return
        self._waiting[what] = work
        if self._timer is not None:
            if self._timer.when() <= asyncio.get_running_loop().time() + within:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(within, self._write_waiting)

    def drop(self, what: str) -> None:
        """It need not be written any more."""
        self._waiting.pop(what, None)

    async def now(self, work: Work[Value]) -> Value:
        """Write everything that waits, then `work`, in one transaction. Raises what they raise."""
        waiting = self._taken()
        if self._writing is not None:
            await asyncio.wait([self._writing])

        def all_of_it(connection: Connection) -> Value:
            for earlier in waiting:
                earlier(connection)
            return work(connection)

        return await self._store.write(all_of_it)

    def _taken(self) -> list[Work[None]]:
        waiting = [work() for work in self._waiting.values()]
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return waiting

    def _write_waiting(self) -> None:
        if self._waiting:
            self._writing = asyncio.ensure_future(self._write(self._taken(), self._writing))

    async def _write(self, works: list[Work[None]], earlier: asyncio.Task[None] | None) -> None:
        def all_of_it(connection: Connection) -> None:
            for work in works:
                work(connection)

        if earlier is not None:
            await asyncio.wait([earlier])
        try:
            await self._store.write(all_of_it)
        except XiaozhiError as error:
            # The next write that somebody waits for meets the same, and ends the segment.
            log.warning("%s: not saved yet: %s", self._name, error)
