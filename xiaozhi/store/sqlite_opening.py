"""Opening an SQLite database: one server at a time, the schema up to date, its connections."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from xiaozhi import private_files
from xiaozhi.errors import CannotStart
from xiaozhi.store import schema, sqlite_files
from xiaozhi.store.sqlite_files import OpenFiles

READERS = 4  # connections, each on a thread of its own


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database that is there, up to date and ours. `lock`: held; let go by `close`.

    `writing`: the one connection that writes. `connections`: those that read.
    """

    lock: BaseFileLock
    writing: Connection
    reading: Engine
    connections: list[Connection]
    files: OpenFiles


def prepared(path: Path) -> Prepared:
    """Raises CannotStart."""
    lock = _locked(path)
    try:
        if path.exists():
            # Without a hand on it: even the switch to WAL would change the file.
            with _untouched(path).connect() as connection:
                schema.check(connection)
        sqlite_files.make_private(path)
        writing, reading = engine(path, writes=True), engine(path, writes=False)
        with writing.connect() as connection, connection.begin():
            schema.bring_up_to_date(connection)
        # All of them now: later the file may be another one.
        connections = [reading.connect() for _ in range(READERS)]
        opened = Prepared(lock, writing.connect(), reading, connections, OpenFiles(path))
    except (OSError, DBAPIError) as error:
        lock.release()
        raise _cannot_be_used(path, error) from error
    except CannotStart:
        lock.release()
        raise
    return opened


def _locked(path: Path) -> BaseFileLock:
    """Raises CannotStart."""
    lock = FileLock(sqlite_files.lock_of(path), mode=private_files.FILE, thread_local=False)
    try:
        path.parent.mkdir(private_files.FOLDER, parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CannotStart(
            "Another server is using the data in {folder}.",
            "Stop it first, or give this one a folder of its own with --data.",
            folder=path.parent,
        ) from error
    except (OSError, ValueError) as error:
        raise _cannot_be_used(path, error) from error
    return lock


def _cannot_be_used(path: Path, error: OSError | ValueError | DBAPIError) -> CannotStart:
    if isinstance(error, DBAPIError):
        words = sqlite_files.without_what_people_say(error)
        if sqlite_files.is_damage(error):
            return CannotStart(
                "The database {path} cannot be used: {words}.",
                "It is damaged, or no database. Keep a copy of it, then restore a backup, or save "
                "what can be read (docs/operating.md); or choose another folder with --data.",
                path=path,
                words=words,
            )
    else:
        words = getattr(error, "strerror", None) or str(error)
    return CannotStart(
        "The database {path} cannot be used: {words}.",
        "Check the folder's permissions and free space, or choose another one with --data.",
        path=path,
        words=words,
    )


def _untouched(path: Path) -> Engine:
    return create_engine(sqlite_files.address(path, "ro"), poolclass=NullPool)


def engine(path: Path, *, writes: bool) -> Engine:
    """Connections as the store uses them: WAL, full durability, transactions begun by hand."""
    made = create_engine(
        # A reader never makes a file: it would be an empty database.
        sqlite_files.address(path, "rwc" if writes else "rw"),
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


def migrate(path: Path) -> str:
    """Bring the database file up to date; its revision. Raises CannotStart, as `SQLite.open`."""
    database = prepared(path)
    for connection in (*database.connections, database.writing):
        connection.close()
    database.lock.release()
    return schema.known_revisions()[-1]
