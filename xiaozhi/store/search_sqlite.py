"""The search on SQLite: FTS5 finds what is looked for as a phrase of grams (store/grams.py).

Where a word ends before its last gram is whole, as in 智 or he, that one is looked for as the
beginning of a token.

One row for each message with words, and one for the title of a thread. Its number holds the
thread's seq and the message's (0: the title), so that the threads of all hits are known without a
look at another table.

The metadata of threads lie in a table of their own: a row for each pair, an index over both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Select,
    Subquery,
    Table,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
)

from xiaozhi.store import grams, tables
from xiaozhi.store.folding import folded

MESSAGE_BITS = 35  # of a row's number; 28 are left for the thread
MADE_BY_FTS5 = ("search", "search_data", "search_idx", "search_content", "search_config")

# Where fewer threads have a pair, a look-up begins with them; else it goes through the threads in
# their order, and looks for the pair of each, until the page is full.
RARE = 1_000  # threads

# FTS5 would take them for gaps between tokens, or for its query language.
_PUNCTUATION = {
    code: 0xE000 + code for code in range(128) if not (chr(code).isalnum() or chr(code).isspace())
}

_search = table("search", column("rowid"), column("grams"), column("search"))
_thread, _message = tables.threads.c, tables.messages.c

thread_metadata = Table(
    "thread_metadata",
    MetaData(),
    Column(
        "thread",
        Integer,
        ForeignKey(_thread.seq, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("thread_metadata_by_pair", "key", "value", "thread"),
    sqlite_with_rowid=False,
)
_pair = thread_metadata.c

_shift = literal_column(str(MESSAGE_BITS), Integer)
_message_mask = literal_column(str(2**MESSAGE_BITS - 1), Integer)
_first = _thread.seq.bitwise_lshift(_shift)
_numbers = (
    select(_first.bitwise_or(_message.seq))
    .join_from(tables.messages, tables.threads, _thread.id == _message.thread_id)
    .where(_message.id == bindparam("message"))
)
_titles = select(_first).where(_thread.id == bindparam("thread"))

_ADD = ["rowid", "grams"]
_ADD_MESSAGE = insert(_search).from_select(_ADD, _numbers.add_columns(bindparam("cut")))
_REMOVE_MESSAGE = delete(_search).where(_search.c.rowid == _numbers.scalar_subquery())
_ADD_TITLE = insert(_search).from_select(_ADD, _titles.add_columns(bindparam("cut")))
_REMOVE_TITLE = delete(_search).where(_search.c.rowid == _titles.scalar_subquery())
_REMOVE_THREAD = delete(_search).where(
    _search.c.rowid >= _titles.scalar_subquery(),
    _search.c.rowid
    < select((_thread.seq + 1).bitwise_lshift(_shift))
    .where(_thread.id == bindparam("thread"))
    .scalar_subquery(),
)
_SEQ = select(_thread.seq).where(_thread.id == bindparam("thread"))
_ADD_PAIRS = insert(thread_metadata)
_REMOVE_PAIRS = delete(thread_metadata).where(_pair.thread == bindparam("of_thread"))


def add_message(connection: Connection, message_id: str, text: str) -> None:
    """What a message says whose own row is new."""
    if cut := cut_up(text):
        connection.execute(_ADD_MESSAGE, {"message": message_id, "cut": cut})


def remove_message(connection: Connection, message_id: str) -> None:
    """Before its own row goes."""
    connection.execute(_REMOVE_MESSAGE, {"message": message_id})


def add_thread(
    connection: Connection, thread_id: str, title: str, metadata: Mapping[str, str]
) -> None:
    """What a thread is called whose own row is new, and what its metadata say."""
    if cut := cut_up(title):
        connection.execute(_ADD_TITLE, {"thread": thread_id, "cut": cut})
    if metadata:
        seq = connection.execute(_SEQ, {"thread": thread_id}).scalar_one()
        pairs = [{"thread": seq, "key": key, "value": value} for key, value in metadata.items()]
        connection.execute(_ADD_PAIRS, pairs)


def change_thread(
    connection: Connection, thread_id: str, title: str, metadata: Mapping[str, str]
) -> None:
    connection.execute(_REMOVE_TITLE, {"thread": thread_id})
    seq = connection.execute(_SEQ, {"thread": thread_id}).scalar_one()
    connection.execute(_REMOVE_PAIRS, {"of_thread": seq})
    add_thread(connection, thread_id, title, metadata)


def remove_thread(connection: Connection, thread_id: str) -> None:
    """With all its messages, before their own rows go."""
    connection.execute(_REMOVE_THREAD, {"thread": thread_id})


def with_hits(threads: Select[Any, Any, Any], word: str) -> Select[Any, Any, Any, Any]:
    """With the column `message`: the first one's seq, 0 for the title."""
    found = _hits(word)
    return threads.add_columns(found.c.message).join(found, found.c.thread == _thread.seq)


def has_word(word: str) -> ColumnElement[bool]:
    return _thread.seq.in_(select(_hits(word).c.thread))


def _hits(word: str) -> Subquery:
    thread = _search.c.rowid.bitwise_rshift(_shift).label("thread")
    first = func.min(_search.c.rowid).bitwise_and(_message_mask)
    found = _search.c.search.bool_op("MATCH")(phrase(word))
    return select(thread, first.label("message")).where(found).group_by("thread").subquery()


def with_metadata(
    connection: Connection,
    threads: Select[Any, Any, Any, Any],
    wanted: Mapping[str, Sequence[str]],
) -> Select[Any, Any, Any, Any]:
    """Those that have, for each key, one of its values."""
    for key, values in wanted.items():
        is_there = select(_pair.key).where(_pair.thread == _thread.seq, *_is(key, values))
        threads = threads.where(is_there.exists())
    counts = {key: _count(connection, key, values) for key, values in wanted.items()}
    rarest = min(counts, key=lambda key: counts[key], default=None)
    if rarest is None or counts[rarest] >= RARE:
        return threads
    found = select(_pair.thread).where(*_is(rarest, wanted[rarest]))
    return threads.where(_thread.seq.in_(found))


def _count(connection: Connection, key: str, values: Sequence[str]) -> int:
    """How many threads have one of the values, as far as RARE."""
    found = select(_pair.thread).where(*_is(key, values)).limit(RARE).subquery()
    return connection.execute(select(func.count()).select_from(found)).scalar_one()


def _is(key: str, values: Sequence[str]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _pair.key == key, _pair.value.in_(values)


def cut_up(text: str) -> str:
    """`text` as FTS5 gets it: its grams, with spaces between them."""
    words = folded(text).translate(_PUNCTUATION).split()
    return " ".join(gram for word in words for gram in grams.grams(word))


def phrase(word: str) -> str:
    """FTS5's query for `word` (folded, without spaces)."""
    found = grams.covering(word.translate(_PUNCTUATION))
    is_whole = len(found[-1]) == grams.length(found[-1])
    return f'"{" ".join(found)}"{"" if is_whole else "*"}'
