"""How the engine stops: nothing new begins, what is under way may end, the rest is left.

What is left lies in its rows, and the next start takes it up.
"""

import asyncio
import time

from xiaozhi.dispatch import Dispatcher
from xiaozhi.events import Events
from xiaozhi.runs.admission import Admission
from xiaozhi.runs.runs import Runs

LOOKS_EVERY = 0.05  # s, whether all has ended
STOPPED = (
    "The server is being stopped. Nothing is lost: the run goes on when the server has started "
    "again. Please read it then."
)


class Stop:
    def __init__(
        self, runs: Runs, admission: Admission, dispatcher: Dispatcher, events: Events
    ) -> None:
        self._runs = runs
        self._admission = admission
        self._dispatcher = dispatcher
        self._events = events
        self._until = float("inf")
        self.has_begun = False

    @property
    def under_way(self) -> int:
        """How many runs still go on."""
        return len(self._dispatcher.under_way)

    def begin(self) -> None:
        """From now on no run is taken, and none is begun."""
        self.has_begun = True
        self._admission.close()
        self._dispatcher.stop_beginning()

    def hurry(self) -> None:
        """What is under way has no more time."""
        self._until = 0.0

    async def finish(self, within: float) -> None:
        """Let what is under way end, `within` s; then interrupt it, and save what it has said.

        Streams end as soon as nothing more can come in them: at once where their run waits for a
        place, or for its client.
        """
        self.begin()
        self._until = min(self._until, time.monotonic() + within)
        while self.under_way and time.monotonic() < self._until:
            self.end_streams()
            await asyncio.sleep(LOOKS_EVERY)
        await self._runs.close()
        self.end_streams()

    def end_streams(self) -> None:
        """Those in which nothing more can come."""
        self._events.break_off(STOPPED, keep=self._dispatcher.under_way)
