"""The files of an SQLite database: their addresses, who may read them, whether they are in place.

SQLite holds its files open. Where somebody deletes or moves them while the server runs, everything
seems to go well, and is written into files that nobody will ever find: so they are looked at.
"""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from xiaozhi import private_files

# With a WAL there are three; SQLite keeps the last two as long as the database is open.
_SUFFIXES = ("", "-wal", "-shm")
_LEFT_BY_A_CRASH = "-journal"
ROOM = 2**20  # bytes that must be free: about what one transaction may add to the WAL

Mark = tuple[int, int]  # device and inode


def address(path: Path, mode: str) -> URL:
    """`mode`: ro, rw or rwc, as SQLite's URIs have it. Any character may stand in `path`."""
    return URL.create(
        "sqlite", database=path.absolute().as_uri(), query={"mode": mode, "uri": "true"}
    )


def make_private(path: Path) -> None:
    """The database file, made where it is not there, and those beside it. Raises OSError."""
    private_files.create(path)
    # Not what the folder holds under this name: SQLite, too, writes beside where a link leads.
    real = path.resolve()
    for suffix in (*_SUFFIXES, _LEFT_BY_A_CRASH):
        private_files.narrow(Path(f"{real}{suffix}"))
    private_files.narrow(lock_of(path))


def lock_of(path: Path) -> Path:
    """The file that the one server of a database locks."""
    return path.with_suffix(".lock")


class OpenFiles:
    """The files that were opened, known by device and inode. Its methods may be called anywhere."""

    def __init__(self, path: Path) -> None:
        """Once the database file is open."""
        self.path = path
        self._database = str(path.resolve())
        self._paths = [f"{self._database}{suffix}" for suffix in _SUFFIXES]
        self._marks: dict[str, Mark] = {}
        self._size = 0

    def remember(self) -> None:
        """Those that are there and not known yet. Call it after a transaction of the writer."""
        if len(self._marks) == len(self._paths):
            return
        for path in self._paths:
            if path not in self._marks and (found := _stat(path)):
                self._marks[path] = (found.st_dev, found.st_ino)

    def trouble(self) -> str | None:
        """What has become of them; None where all is well. Costs a few microseconds."""
        for path, mark in self._marks.items():
            if words := self._change(path, mark):
                return f"{os.path.basename(path)} {words} while the server was running"
        return None

    def _change(self, path: str, mark: Mark) -> str | None:
        found = _stat(path)
        if found is None:
            return "was deleted or moved"
        if (found.st_dev, found.st_ino) != mark:
            return "was replaced by another file"
        if path == self._database:
            # It never shrinks: nobody vacuums it.
            if found.st_size < self._size:
                return "was cut off"
            self._size = found.st_size
        return None

    def is_full(self) -> bool:
        """Whether the file system has no room for one more transaction."""
        if not hasattr(os, "statvfs"):
            return False
        try:
            found = os.statvfs(self._database)
        except OSError:
            return False
        # What the system keeps back is there for root.
        free = found.f_bfree if os.geteuid() == 0 else found.f_bavail
        return free * found.f_frsize < ROOM


def is_damage(error: DBAPIError) -> bool:
    """Whether the file holds what SQLite cannot have written."""
    code: int = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or _is_undecodable(error)


def without_what_people_say(error: DBAPIError) -> str:
    """SQLite's words; of a text that is no UTF-8 the driver would repeat the beginning."""
    return "a text in it is not UTF-8" if _is_undecodable(error) else str(error.orig)


def _is_undecodable(error: DBAPIError) -> bool:
    return str(error.orig).startswith("Could not decode to UTF-8")


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
