"""Who makes sure that a run goes on: between the run engine and what executes its segments."""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from xiaozhi.store import Segment

Execute = Callable[[Segment], Awaitable[None]]
Resume = Callable[[Segment], None]
Expire = Callable[[str, str], Awaitable[None]]  # of (thread id, run id)

# The message with which a run's task is cancelled that must not even finish what it writes
AT_ONCE = "at once"


class Dispatcher(Protocol):
    @property
    def owner(self) -> str:
        """Under which name this process holds runs."""
        ...

    def open(self, execute: Execute, resume: Resume, expire: Expire) -> None:
        """Execute segments with `execute`, which raises nothing but CancelledError.

        `resume` is called with each segment that was taken up from a process that is gone, and
        starts it. `expire` ends a run that has waited too long for its client.
        """
        ...

    async def recover(self) -> int:
        """Take up everything that was left unfinished; returns how many runs that were."""
        ...

    @property
    def under_way(self) -> Collection[str]:
        """The ids of the runs that are executed here now; not those that wait for a place."""
        ...

    def room(self, model: str | None = None) -> int:
        """How many more runs may be created; of `model`: how many would be executed at once."""
        ...

    def retry_after(self) -> int:
        """In how many s to come again where there is no room."""
        ...

    def start(self, segment: Segment) -> None:
        """Execute `segment` as soon as there is a place; it goes on whoever listens.

        Returns at once. One whose time is over meanwhile is executed then, to write that.
        """
        ...

    def cancel(self, run_id: str) -> bool:
        """Interrupt the run, whose row says `cancelling`; False where it is not executed here.

        One that waits for a place ends at once. Where it is executed elsewhere, that one is told.
        """
        ...

    def interrupt(self, run_id: str) -> None:
        """Its end was written without whoever executes it here, if anybody does: that stops."""
        ...

    def knows(self, run_id: str) -> bool:
        """Whether the run is executed here, or waits here for a place."""
        ...

    def stop_beginning(self) -> None:
        """What waits stays as it is, for the next start; what is executed goes on."""
        ...

    async def close(self) -> None:
        """Interrupt everything and wait for it, within bounds: the database may be away.

        The rows stay as they are, for the next start.
        """
        ...
