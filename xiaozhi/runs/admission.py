"""Whether one more run may be created: is there room, and is the server not being stopped?"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai.types.beta.threads import Run

from xiaozhi.dispatch import Dispatcher
from xiaozhi.errors import TooManyRequests, Unavailable
from xiaozhi.store import Store, Work

STOPPING = "The server is being stopped. Please try again in a moment."


class Admission:
    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher
        # Runs that are being written: they will want the room that is there
        self._arriving = 0
        self._is_closed = False

    @asynccontextmanager
    async def of(self, wanted: Work[str | Run]) -> AsyncGenerator[Run | None]:
        """Around the creation of a run.

        `wanted` tells its model, or the run itself where the same request has made it before: that
        is then given. It is asked only where no queue has room: nothing is written.

        Raises TooManyRequests, Unavailable, and what `wanted` raises.
        """
        if self._is_closed:
            raise Unavailable(STOPPING)
        if self._dispatcher.room() <= self._arriving:
            found = await self._store.read(wanted)
            if isinstance(found, Run):
                yield found
                return
            self._must_have_room(found)
        self._arriving += 1
        try:
            yield None
        finally:
            self._arriving -= 1

    def close(self) -> None:
        """From now on no run is taken."""
        self._is_closed = True

    def _must_have_room(self, model: str) -> None:
        if self._dispatcher.room(model) > self._arriving:
            return
        seconds = self._dispatcher.retry_after()
        raise TooManyRequests(
            f"Rate limit reached: too many runs are waiting. Please try again in {seconds}s.",
            retry_after=seconds,
        )
