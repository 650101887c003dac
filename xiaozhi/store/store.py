"""The database, opened once: units of work in, their results out.

A unit of work is a plain function of an open connection. It runs whole or not at all, holds no
model call and no file, and may be run on another thread: it touches nothing but its arguments.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

Result = TypeVar("Result")
Work = Callable[[Connection], Result]


class Store(Protocol):
    async def read(self, work: Work[Result]) -> Result:
        """Run `work` on one consistent view of what is committed.

        Raises Unavailable where the database cannot be read now.
        """
        ...

    async def write(self, work: Work[Result]) -> Result:
        """Run `work`, and return once its changes will survive a power cut.

        Writes happen in the order in which they were begun, also when several are under way.
        Whatever `work` raises undoes its changes, and is raised here. Raises Unavailable where the
        database cannot be written now (disk full, say); where it went away in the moment of the
        commit, InDoubt.
        """
        ...

    def trouble(self) -> str | None:
        """Why it cannot be used now, as far as this is known; None where nothing is known."""
        ...

    async def check(self) -> None:
        """Look whether it can be used now. Writes nothing, unless a write has failed before.

        Raises Unavailable.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun, then let go of the database."""
        ...
