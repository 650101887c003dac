"""The full-text search of whichever database a connection leads to.

Its index is written in the transaction of the row that it is about, by `message_rows` and
`thread_rows` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Select

from xiaozhi.store import search_postgres, search_sqlite

# Selections of the table of threads, of whichever three columns
Threads = Select[Any, Any, Any]
ThreadsWithHits = Select[Any, Any, Any, Any]


class Search(Protocol):
    """`search_sqlite` and `search_postgres` are modules of this form."""

    def add_message(self, connection: Connection, message_id: str, text: str) -> None:
        """What a message says whose own row is new."""
        ...

    def remove_message(self, connection: Connection, message_id: str) -> None:
        """Before its own row goes."""
        ...

    def add_thread(
        self, connection: Connection, thread_id: str, title: str, metadata: Mapping[str, str]
    ) -> None:
        """What a thread is called whose own row is new, and its metadata."""
        ...

    def change_thread(
        self, connection: Connection, thread_id: str, title: str, metadata: Mapping[str, str]
    ) -> None: ...

    def remove_thread(self, connection: Connection, thread_id: str) -> None:
        """With all its messages, before their own rows go."""
        ...

    def with_hits(self, threads: Threads, word: str) -> ThreadsWithHits:
        """Those of the selected threads in which `word` (folded, without spaces) is found.

        One column more, `message`: the seq of the first message that says it, 0 for the title.
        """
        ...

    def has_word(self, word: str) -> ColumnElement[bool]:
        """Whether it is found in a thread."""
        ...

    def with_metadata(
        self,
        connection: Connection,
        threads: ThreadsWithHits,
        wanted: Mapping[str, Sequence[str]],
    ) -> ThreadsWithHits:
        """Those of the selected threads that have, for each key, one of its values."""
        ...


def search_on(connection: Connection) -> Search:
    return search_postgres if connection.dialect.name == "postgresql" else search_sqlite
