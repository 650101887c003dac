"""The search on Postgres: an index of grams (store/grams.py) finds texts, a look at them confirms.

No extension is needed: pg_trgm finds nothing shorter than three characters, and depends on the
database's locale for what a letter is. A row's `grams` are a plain array with a GIN index: besides
each gram also what it begins with, so that 智 and he are there by themselves. A word that is one
gram is found by the index alone. Of a longer one all grams must be there, and then the word itself
in `folded`: the same grams may stand elsewhere in another order.

One row for each message with words; and one for each thread with a title or metadata, whose `grams`
are those of its title and a mark for each pair. Rows go with what they are about, by foreign key.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    null,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.util import await_only

from xiaozhi.offload import LARGE
from xiaozhi.store import tables
from xiaozhi.store.folding import folded
from xiaozhi.store.grams import covering, grams

# Postgres keeps no NUL. In its place stands what Unicode promises never to be a character.
_KEPT = {0: "\uffff"}

_thread, _message = tables.threads.c, tables.messages.c

search = Table(
    "search",
    MetaData(),
    Column("thread", BigInteger, ForeignKey(_thread.seq, ondelete="CASCADE"), nullable=False),
    # NULL: the thread itself
    Column("message", BigInteger, ForeignKey(_message.seq, ondelete="CASCADE")),
    # Its words, with spaces between them
    Column("folded", Text(collation="C"), nullable=False),
    # Compared byte by byte, whatever the database's locale
    Column("grams", ARRAY(Text(collation="C")), nullable=False),
    # In the order in which a thread's first hit is looked for
    Index("search_of_thread", "thread", text("message NULLS FIRST")),
    Index("search_of_message", "message"),
    # What is new waits in a list that every search reads, too: a short one (kB), since whoever
    # makes it too long has to put all of it in its place.
    Index(
        "search_grams",
        "grams",
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 128},
    ),
)
_row = search.c

_TEXT = [bindparam("folded", type_=_row.folded.type), bindparam("grams", type_=_row.grams.type)]
_ADD_MESSAGE = insert(search).from_select(
    ["thread", "message", "folded", "grams"],
    select(_thread.seq, _message.seq, *_TEXT)
    .join_from(tables.messages, tables.threads, _thread.id == _message.thread_id)
    .where(_message.id == bindparam("message_id")),
)
_REMOVE_MESSAGE = delete(search).where(
    _row.message
    == select(_message.seq).where(_message.id == bindparam("message_id")).scalar_subquery()
)
_ADD_THREAD = insert(search).from_select(
    ["thread", "folded", "grams"],
    select(_thread.seq, *_TEXT).where(_thread.id == bindparam("thread_id")),
)
_REMOVE_THREAD = delete(search).where(
    _row.thread
    == select(_thread.seq).where(_thread.id == bindparam("thread_id")).scalar_subquery(),
    _row.message.is_(null()),
)


def add_message(connection: Connection, message_id: str, text: str) -> None:
    """What a message says whose own row is new."""
    if columns := _cut_up_apart(text):
        connection.execute(_ADD_MESSAGE, {"message_id": message_id, **columns})


def remove_message(connection: Connection, message_id: str) -> None:
    """Before its own row goes."""
    connection.execute(_REMOVE_MESSAGE, {"message_id": message_id})


def add_thread(
    connection: Connection, thread_id: str, title: str, metadata: Mapping[str, str]
) -> None:
    """What a thread is called whose own row is new, and what its metadata say."""
    if columns := cut_up(title, metadata):
        connection.execute(_ADD_THREAD, {"thread_id": thread_id, **columns})


def change_thread(
    connection: Connection, thread_id: str, title: str, metadata: Mapping[str, str]
) -> None:
    connection.execute(_REMOVE_THREAD, {"thread_id": thread_id})
    add_thread(connection, thread_id, title, metadata)


def remove_thread(connection: Connection, thread_id: str) -> None:
    """With all its messages. The foreign keys see to it when its own row goes."""


def with_hits(threads: Select[Any, Any, Any], word: str) -> Select[Any, Any, Any, Any]:
    """With the column `message`: the first one's seq, 0 for the title.

    Where nearly every thread has the word, Postgres goes through the threads in their order and
    looks into each until the page is full; otherwise it takes them from the index of grams.
    """
    first = (
        select(func.coalesce(_row.message, 0))
        .where(_row.thread == _thread.seq, _says(word))
        .order_by(_row.message.nulls_first())
        .limit(1)
    )
    return threads.add_columns(first.scalar_subquery().label("message")).where(has_word(word))


def has_word(word: str) -> ColumnElement[bool]:
    return _thread.seq.in_(select(_row.thread).where(_says(word)))


def _says(word: str) -> ColumnElement[bool]:
    word = word.translate(_KEPT)
    wanted = covering(word)
    found = _row.grams.contains(wanted)
    return found if len(wanted) == 1 else found & (func.strpos(_row.folded, word) > 0)


def with_metadata(
    connection: Connection,
    threads: Select[Any, Any, Any, Any],
    wanted: Mapping[str, Sequence[str]],
) -> Select[Any, Any, Any, Any]:
    """Those that have, for each key, one of its values."""
    for key, values in wanted.items():
        marks = [_mark(key, value) for value in values]
        found = _row.grams.contains(marks) if len(marks) == 1 else _row.grams.overlap(marks)
        threads = threads.where(_thread.seq.in_(select(_row.thread).where(found)))
    return threads


def _cut_up_apart(text: str) -> dict[str, object]:
    """As `cut_up`, but a long text in a worker thread: units of work run on the event loop here."""
    if len(text) < LARGE:
        return cut_up(text)
    return await_only(asyncio.to_thread(cut_up, text))


def cut_up(text: str, metadata: Mapping[str, str] | None = None) -> dict[str, object]:
    """The columns `folded` and `grams`; nothing where there is nothing to be found."""
    words = folded(text).translate(_KEPT).split()
    whole = {gram for word in words for gram in grams(word)}
    found = {gram[:end] for gram in whole for end in (1, 2, 3)}
    found.update(_mark(key, value) for key, value in (metadata or {}).items())
    return {"folded": " ".join(words), "grams": list(found)} if found else {}


def _mark(key: str, value: str) -> str:
    """No gram is as long. Of one length, whatever the pair: an index holds no long values."""
    return sha256(f"{len(key)} {key}{value}".encode()).hexdigest()
