"""What is killed: a small interface, so that one story is told of everything that may die."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from tests.resilience import invariants
from tests.resilience.server import Server

Value = TypeVar("Value")
Look = Callable[[Connection], Value]


class Killable(Protocol):
    @property
    def addresses(self) -> Sequence[str]:
        """Where clients find it: each ends in /v1. They stay the same from start to start."""
        ...

    @property
    def shows_what_it_left(self) -> bool:
        """Whether `look` works between `kill` and `start`."""
        ...

    def kill(self) -> None:
        """As if the power went, for it or for one of it. Returns when that is dead."""
        ...

    def start(self) -> float:
        """Returns when it answers: since when what was under way could go on (monotonic s)."""
        ...

    def look(self, look: Look[Value]) -> Value:
        """The database as it is now: one consistent view, nothing done to it."""
        ...

    def killed_runs(self, left: Connection, /) -> set[str]:
        """Of the runs under way those that the dead has held, in what `look` shows."""
        ...


class OneServer(Server):
    """One process on SQLite."""

    shows_what_it_left = True

    @property
    def addresses(self) -> Sequence[str]:
        return [self.address]

    def start(self) -> float:
        began = time.monotonic()
        self.begin()
        self.wait_until_ready()
        return began

    def look(self, look: Look[Value]) -> Value:
        """Of the dead, a copy: who opens its files does the next start's work for it."""
        if self.is_alive:
            return _looked(self.data, look)
        with tempfile.TemporaryDirectory() as folder:
            for file in self.data.glob("xiaozhi.db*"):
                shutil.copy(file, folder)
            return _looked(Path(folder), look)

    def killed_runs(self, left: Connection, /) -> set[str]:
        return invariants.unfinished(left)


def _looked(folder: Path, look: Look[Value]) -> Value:
    made = create_engine(f"sqlite:///{folder}/xiaozhi.db", poolclass=NullPool)
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        return look(connection)
