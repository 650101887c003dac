"""The store on SQLite: one writer thread with group commit, readers on connections of their own.

Only the writer writes, and only the writer checkpoints (SQLite before 3.51.3 can lose a WAL reset
with two of them). Everything that waits while a commit is under way goes into the next one: 16
units of work cost one fsync instead of 16.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from xiaozhi import metrics
from xiaozhi.errors import InDoubt, Unavailable
from xiaozhi.store import sqlite_files
from xiaozhi.store.sqlite_condition import Condition
from xiaozhi.store.sqlite_opening import READERS, Prepared, prepared
from xiaozhi.store.store import Result, Work

_TOUCH_SCHEMA = text("UPDATE alembic_version SET version_num = version_num")
_LOOK = text("SELECT count(*) FROM sqlite_master")
GROUP = 256  # units of work in one commit, at most
WRITER_PAUSE = 0.1  # s until a writer that failed begins again

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Unit:
    work: Callable[[Connection], Any]
    answer: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


class SQLite:
    @classmethod
    async def open(cls, path: Path) -> "SQLite":
        """Open the database file, made where it is not there, brought up to date where it is older.

        Raises CannotStart where another server has it open, where it comes from a newer version,
        and where the file cannot be used.
        """
        return cls(await asyncio.to_thread(prepared, path))

    def __init__(self, database: Prepared) -> None:
        """Made and used on one event loop."""
        self._loop = asyncio.get_running_loop()
        self._lock = database.lock
        self._writing = database.writing
        self._reading = database.reading
        self._files = database.files
        self._condition = Condition(database.files)
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._is_closed = False
        self._mine = threading.local()
        # Opened before anything can have become of the file; each thread takes one.
        self._connections = database.connections
        self._idle = list(database.connections)
        self._readers = ThreadPoolExecutor(READERS, "sqlite-reader")
        self._writer = threading.Thread(target=self._supervise, name="sqlite-writer", daemon=True)
        self._writer.start()

    async def read(self, work: Work[Result]) -> Result:
        return await self._loop.run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[Result]) -> Result:
        if self._is_closed:
            raise Unavailable("The database is closed.")
        unit = _Unit(work, self._loop.create_future())
        self._units.put(unit)
        return await unit.answer

    def trouble(self) -> str | None:
        return self._condition.trouble()

    async def check(self) -> None:
        await self._loop.run_in_executor(self._readers, self._look)
        if self._condition.write_failed:
            # Only a write shows whether writes succeed again; all is well if this is one.
            await self.write(lambda connection: connection.execute(_TOUCH_SCHEMA))

    async def close(self) -> None:
        self._is_closed = True
        self._units.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        for connection in self._connections:
            connection.close()
        self._lock.release()

    def _read(self, work: Work[Result]) -> Result:
        connection: Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = self._idle.pop()
        with self._readable(), connection.begin():
            return work(connection)

    def _look(self) -> None:
        """Writes nothing. Raises Unavailable."""
        if words := self._condition.check():
            raise Unavailable(f"The database cannot be used: {words}.")
        # A new connection has nothing in memory yet: it reads what the file holds now.
        with self._readable(), self._reading.connect() as connection, connection.begin():
            connection.execute(_LOOK)

    @contextmanager
    def _readable(self) -> Generator[None]:
        """Raises Unavailable."""
        try:
            yield
        except DatabaseError as error:
            is_damage = sqlite_files.is_damage(error)
            if not is_damage and not isinstance(error, OperationalError):
                raise
            words = sqlite_files.without_what_people_say(error)
            if is_damage:
                self._condition.is_damaged(words)
            raise Unavailable(f"The database cannot be read: {words}.") from error

    def _supervise(self) -> None:
        """Begin writing again, on a new connection, whatever ended it: else every write would wait
        for ever.
        """
        connection: Connection | None = self._writing
        while True:
            try:
                with connection or self._writing.engine.connect() as writing:
                    return self._write_all(writing)
            except Exception:  # a thread's edge: whatever it was, the next write must be answered
                log.exception("the writer of the database failed, and begins again")
                connection = None
                time.sleep(WRITER_PAUSE)

    def _write_all(self, connection: Connection) -> None:
        """Returns when the store is closed."""
        while (first := self._units.get()) is not None:
            group = [first]
            while len(group) < GROUP and not self._units.empty():
                unit = self._units.get()
                if unit is None:
                    # For the next turn, whatever becomes of this group
                    self._units.put(None)
                    break
                group.append(unit)
            self._commit(connection, group)

    def _commit(self, connection: Connection, group: list[_Unit]) -> None:
        """Settles all of `group`, also where it raises."""
        refused: Unavailable | None = InDoubt(_unwritten("its writer failed").message)
        try:
            metrics.committed(len(group))
            refused = self._refusal(connection, group)
        finally:
            for unit in group:
                unit.error = unit.error or refused
            self._loop.call_soon_threadsafe(_settle, group)

    def _refusal(self, connection: Connection, group: list[_Unit]) -> Unavailable | None:
        """Run the units in one transaction. Why it was not written; None where it was."""
        if words := self._condition.cannot_write():
            return _unwritten(words)
        try:
            with connection.begin():
                for unit in group:
                    _run(connection, unit)
        except SQLAlchemyError as error:
            refused = _unwritten(self._condition.failed(error))
            refused.__cause__ = error
            return refused
        self._files.remember()
        # What went into a file that was deleted in this moment is not kept.
        if words := self._condition.after_commit():
            return InDoubt(_unwritten(words).message)
        return None


def _unwritten(words: str) -> Unavailable:
    return Unavailable(f"The database cannot be written: {words}.")


def _run(connection: Connection, unit: _Unit) -> None:
    """Run one unit so that its failure undoes it alone."""
    connection.exec_driver_sql("SAVEPOINT unit")
    try:
        unit.result = unit.work(connection)
    except OperationalError:
        # The disk is full, say: SQLite may have undone the whole transaction already.
        raise
    except Exception as error:
        if isinstance(error, DatabaseError) and sqlite_files.is_damage(error):
            raise
        # The caller gets it: this is a request's edge, on another thread.
        unit.error = error
        connection.exec_driver_sql("ROLLBACK TO unit")
    connection.exec_driver_sql("RELEASE unit")


def _settle(units: list[_Unit]) -> None:
    for unit in units:
        unit.settle()
