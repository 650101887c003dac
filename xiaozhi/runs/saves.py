"""The writes of one segment, in order: at once, or with the next one, or a little later."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from xiaozhi.errors import Unavailable, XiaozhiError
from xiaozhi.store import Connection, Store, Work

Value = TypeVar("Value")
Makers = dict[str, Callable[[], Work[None]]]  # by what is written

AGAIN_WITHIN = 1.0  # s until what could not be written is tried again

log = logging.getLogger(__name__)


class Saves:
    def __init__(self, store: Store, name: str, *, again_within: float = AGAIN_WITHIN) -> None:
        """`name`: for the log. `again_within`: s until what could not be written is tried again."""
        self._again_within = again_within
        self._store = store
        self._name = name
        # Why a write that nobody waited for was refused for good
        self.refused: Exception | None = None
        self._waiting: Makers = {}
        self._dropped: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def soon(self, what: str, work: Callable[[], Work[None]], within: float) -> None:
        """Write `what` with the next write, or in `within` s. `work` is made then: up to date.

        What waits already goes on waiting.
        """
        self._dropped.discard(what)
        if what in self._waiting:
            return
        self._waiting[what] = work
        self._write_within(within)

    def _write_within(self, within: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= asyncio.get_running_loop().time() + within:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(within, self._write_waiting)

    def drop(self, what: str) -> None:
        """It need not be written any more."""
        self._waiting.pop(what, None)
        self._dropped.add(what)

    async def now(self, work: Work[Value]) -> Value:
        """Write everything that waits, then `work`, in one transaction. Raises what they raise.

        Where it raises, nothing is written, and everything waits as before.
        """
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        taken = self._taken()
        is_written = False
        try:
            earlier = [make() for make in taken.values()]

            def all_of_it(connection: Connection) -> Value:
                for each in earlier:
                    each(connection)
                return work(connection)

            written = await self._store.write(all_of_it)
            is_written = True
            return written
        finally:
            if not is_written:
                self._put_back(taken)

    def _taken(self) -> Makers:
        taken, self._waiting = self._waiting, {}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return taken

    def _put_back(self, taken: Makers) -> None:
        """Without it a run's row would say for ever that it is queued, say."""
        for what, make in taken.items():
            if what not in self._dropped:
                self._waiting.setdefault(what, make)

    def _write_waiting(self) -> None:
        self._timer = None
        if self._waiting:
            self._writing = asyncio.ensure_future(self._write(self._taken(), self._writing))
            self._writing.add_done_callback(self._note_refusal)

    async def _write(self, taken: Makers, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        is_written = False
        try:
            works = [make() for make in taken.values()]

            def all_of_it(connection: Connection) -> None:
                for work in works:
                    work(connection)

            await self._store.write(all_of_it)
            is_written = True
        except Unavailable as error:
            log.warning("%s: not saved yet: %s", self._name, error)
        finally:
            if not is_written:
                self._put_back(taken)
        if self._waiting:
            self._write_within(self._again_within)

    def _note_refusal(self, writing: asyncio.Task[None]) -> None:
        """Whatever it was, the run hears of it with its next piece: nobody waits for the task."""
        if writing.cancelled():
            return
        error = writing.exception()
        if isinstance(error, Exception):
            if isinstance(error, XiaozhiError):
                log.warning("%s: not saved: %s", self._name, error)
            else:
                # Its words may repeat a value.
                log.error("%s: not saved", self._name, exc_info=error)
            self.refused = error
