"""Who makes sure that a run goes on: between the run engine and what executes its segments."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from xiaozhi.store import Segment

Execute = Callable[[Segment], Awaitable[None]]
Resume = Callable[[Segment], None]
Expire = Callable[[str, str], Awaitable[None]]  # of (thread id, run id)


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

    def start(self, segment: Segment) -> None:
        """Execute `segment` from now on; it goes on whoever listens. Returns at once."""
        ...

    def cancel(self, run_id: str) -> bool:
        """Interrupt the run, whose row says `cancelling`; False where it is not executed here.

        Whoever executes it then, does it.
        """
        ...

    def knows(self, run_id: str) -> bool:
        """Whether the run is executed here, or will be."""
        ...

    async def close(self) -> None:
        """Interrupt everything and wait for it; the rows stay as they are, for the next start."""
        ...
