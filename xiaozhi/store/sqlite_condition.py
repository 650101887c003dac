"""Whether an SQLite database can be used: what was seen of its files, writes and content."""

import logging

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from xiaozhi.store import sqlite_files
from xiaozhi.store.sqlite_files import OpenFiles

_MOVED = (
    "in the data folder %s %s. Nothing is written any more, so that nothing is lost unseen. "
    "Put the same file back, or stop the server, restore a backup, and start it again "
    "(docs/operating.md)"
)
_DAMAGED = (
    "the database %s is damaged (%s). Nothing is written any more. Stop the server, keep a copy of "
    "the file, then restore a backup, or save what can be read: sqlite3 xiaozhi.db .recover "
    "(docs/operating.md)"
)

log = logging.getLogger(__name__)


class Condition:
    """What is known of an open database. Its methods are called on any thread."""

    def __init__(self, files: OpenFiles) -> None:
        self._files = files
        self._damage: str | None = None
        self._reported: str | None = None
        self._failure: str | None = None

    @property
    def write_failed(self) -> bool:
        """Whether the last transaction could not be written."""
        return self._failure is not None

    def trouble(self) -> str | None:
        """Why it cannot be used, as far as this was seen; None where nothing is known."""
        return self._reported or self._damage or self._failure

    def check(self) -> str | None:
        """As `trouble`, after a look at the file system; without what a write alone can show."""
        if words := self.cannot_write():
            return words
        return "the disk is full" if self._files.is_full() else None

    def cannot_write(self) -> str | None:
        """Why a transaction need not even be tried."""
        words = self._files.trouble()
        if words != self._reported:
            self._reported = words
            if words is None:
                log.warning("the files of the database are in their place again")
            else:
                log.critical(_MOVED, self._files.path.parent, words)
        return words or self._damage

    def failed(self, error: SQLAlchemyError) -> str:
        """What went wrong with a transaction, in words."""
        if not isinstance(error, DBAPIError):
            self._failure = str(error)
            return self._failure
        self._failure = sqlite_files.without_what_people_say(error)
        if sqlite_files.is_damage(error):
            self.is_damaged(self._failure)
        return self._failure

    def after_commit(self) -> str | None:
        """Call it after each transaction. What is wrong all the same."""
        self._failure = None
        return self.cannot_write()

    def is_damaged(self, words: str) -> None:
        """It stays so until the server is started again with another file."""
        if self._damage is None:
            log.critical(_DAMAGED, self._files.path, words)
        self._damage = words
