"""Who makes sure that a run goes on: between the run engine and what executes its segments."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from xiaozhi.store import Segment

Execute = Callable[[Segment], Awaitable[None]]


class Dispatcher(Protocol):
    def open(self, execute: Execute) -> None:
        """Execute segments with `execute`, which raises nothing but CancelledError."""
        ...

    def start(self, segment: Segment) -> None:
        """Execute `segment` from now on; it goes on whoever listens. Returns at once."""
        ...

    def cancel(self, run_id: str) -> bool:
        """Interrupt the run, whose row says `cancelling`; False where it is not executed here."""
        ...

    async def close(self) -> None:
        """Interrupt everything and wait for it; the rows stay as they are, for the next start."""
        ...
