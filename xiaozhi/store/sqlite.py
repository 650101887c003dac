"""The store on SQLite: one writer thread with group commit, readers on connections of their own.

Only the writer writes, and only the writer checkpoints (SQLite before 3.51.3 can lose a WAL reset
with two of them). Everything that waits while a commit is under way goes into the next one: 16
units of work cost one fsync instead of 16.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from xiaozhi import metrics
from xiaozhi.errors import CannotStart, Unavailable
from xiaozhi.store import schema
from xiaozhi.store.store import Result, Work

READERS = 4  # threads
_TOUCH_SCHEMA = text("UPDATE alembic_version SET version_num = version_num")
GROUP = 256  # units of work in one commit, at most


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
        return cls(await asyncio.to_thread(_prepared, path))

    def __init__(self, database: "_Prepared") -> None:
        """Made and used on one event loop."""
        self._loop = asyncio.get_running_loop()
        self._lock = database.lock
        self._engine = database.writing
        self._reading = database.reading
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._mine = threading.local()
        self._connections: list[Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "sqlite-reader")
        self._writer = threading.Thread(target=self._write_all, name="sqlite-writer", daemon=True)
        self._writer.start()

    async def read(self, work: Work[Result]) -> Result:
        return await self._loop.run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[Result]) -> Result:
        unit = _Unit(work, self._loop.create_future())
        self._units.put(unit)
        return await unit.answer

    async def check(self) -> None:
        # A transaction that changes nothing succeeds on a full disk too.
        await self.write(lambda connection: connection.execute(_TOUCH_SCHEMA))

    async def close(self) -> None:
        self._units.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        for connection in self._connections:
            connection.close()
        self._lock.release()

    def _read(self, work: Work[Result]) -> Result:
        try:
            connection: Connection | None = getattr(self._mine, "connection", None)
            if connection is None:
                connection = self._mine.connection = self._reading.connect()
                self._connections.append(connection)
            with connection.begin():
                return work(connection)
        except OperationalError as error:
            raise Unavailable(f"The database cannot be read: {error.orig}.") from error

    def _write_all(self) -> None:
        with self._engine.connect() as connection:
            while (first := self._units.get()) is not None:
                group = [first]
                last = False
                while len(group) < GROUP and not self._units.empty():
                    unit = self._units.get()
                    if unit is None:
                        last = True
                        break
                    group.append(unit)
                self._commit(connection, group)
                if last:
                    return

    def _commit(self, connection: Connection, group: list[_Unit]) -> None:
        metrics.committed(len(group))
        try:
            with connection.begin():
                for unit in group:
                    _run(connection, unit)
        except SQLAlchemyError as error:
            words = error.orig if isinstance(error, DBAPIError) else error
            refused = Unavailable(f"The database cannot be written: {words}.")
            refused.__cause__ = error
            for unit in group:
                unit.error = unit.error or refused
        self._loop.call_soon_threadsafe(_settle, group)


def migrate(path: Path) -> str:
    """Bring the database file up to date; its revision. Raises CannotStart, as `SQLite.open`."""
    _prepared(path).lock.release()
    return schema.known_revisions()[-1]


def _run(connection: Connection, unit: _Unit) -> None:
    """Run one unit so that its failure undoes it alone."""
    connection.exec_driver_sql("SAVEPOINT unit")
    try:
        unit.result = unit.work(connection)
    except OperationalError:
        # The disk is full, say: SQLite may have undone the whole transaction already.
        raise
    except Exception as error:  # the caller gets it: this is a request's edge, on another thread
        unit.error = error
        connection.exec_driver_sql("ROLLBACK TO unit")
    connection.exec_driver_sql("RELEASE unit")


def _settle(units: list[_Unit]) -> None:
    for unit in units:
        unit.settle()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A database that is there, up to date and ours. `lock`: held; let go by `close`."""

    lock: BaseFileLock
    writing: Engine
    reading: Engine


def _prepared(path: Path) -> _Prepared:
    """Raises CannotStart."""
    lock = FileLock(path.with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CannotStart(
            "Another server is using the data in {folder}.",
            "Stop it first, or give this one a folder of its own with --data.",
            folder=path.parent,
        ) from error
    try:
        if path.exists():
            # Without a hand on it: even the switch to WAL would change the file.
            with _untouched(path).connect() as connection:
                schema.check(connection)
        writing, reading = engine(path, writes=True), engine(path, writes=False)
        with writing.connect() as connection, connection.begin():
            schema.bring_up_to_date(connection)
    except (OSError, DBAPIError) as error:
        lock.release()
        words = error.orig if isinstance(error, DBAPIError) else error.strerror
        raise CannotStart(
            "The database {path} cannot be used: {words}.",
            "Check the folder's permissions and free space, or choose another one with --data.",
            path=path,
            words=words,
        ) from error
    except CannotStart:
        lock.release()
        raise
    return _Prepared(lock, writing, reading)


def _untouched(path: Path) -> Engine:
    return create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", poolclass=NullPool)


def engine(path: Path, *, writes: bool) -> Engine:
    """Connections as the store uses them: WAL, full durability, transactions begun by hand."""
    made = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        # What fails must not repeat what people say.
        hide_parameters=True,
        # A reader's connection is closed by whoever closes the store.
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(made, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions by itself, and too late.
        connection.isolation_level = None
        for setting in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=30000",
            "foreign_keys=ON",
            # What was deleted is overwritten. Debian's SQLite does so by itself, others do not.
            "secure_delete=ON",
            *([] if writes else ["wal_autocheckpoint=0", "query_only=ON"]),
        ):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(made, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made
