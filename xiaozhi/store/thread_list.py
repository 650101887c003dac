"""The list of threads: newest activity first, narrowed by metadata and by words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, null, select, tuple_

from xiaozhi.store import tables
from xiaozhi.store.collection import PageWanted
from xiaozhi.store.folding import snippet, words_of
from xiaozhi.store.message_rows import text_of
from xiaozhi.store.objects import messages, threads
from xiaozhi.store.search import search_on
from xiaozhi.store.thread_rows import title_of

_row = tables.threads.c
_message = tables.messages.c
_place = tuple_(_row.last_activity_at, _row.seq)
_PLACE = select(_row.last_activity_at, _row.seq)


@dataclass(frozen=True, slots=True)
class ThreadsWanted:
    """`words`: must all be found in a thread, each in its title or in a message.

    `metadata`: for each key the values of which it must have one.
    """

    words: Sequence[str] = ()
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @classmethod
    def by(cls, query: str, metadata: Sequence[tuple[str, str]]) -> "ThreadsWanted":
        """`query`: as a person types it. `metadata`: pairs; a key may come several times."""
        values: dict[str, list[str]] = {}
        for key, value in metadata:
            values.setdefault(key, []).append(value)
        return cls(words_of(query), values)


@dataclass(frozen=True, slots=True)
class ListedThread:
    """`body`: JSON. `snippet`: the text around the first hit, where words were wanted."""

    id: str
    body: str
    last_activity_at: int
    snippet: str | None


def thread_page(
    connection: Connection, page: PageWanted, wanted: ThreadsWanted
) -> tuple[Sequence[ListedThread], bool]:
    """Contract 3.4, in the order of last activity; and whether there are more.

    A cursor stands where its thread is now: activity may have moved it since the last page. An
    unknown one is ignored.
    """
    after, before = (_place_of(connection, id) for id in (page.after, page.before))
    # With `before` alone: the ones nearest to it, still shown in the asked order.
    backwards = before is not None and after is None
    ascending = page.order == "asc"
    statement = _matching(connection, wanted)
    if after is not None:
        statement = statement.where(_place > after if ascending else _place < after)
    if before is not None:
        statement = statement.where(_place < before if ascending else _place > before)
    for key in (_row.last_activity_at, _row.seq):
        statement = statement.order_by(key.asc() if ascending != backwards else key.desc())
    found = connection.execute(statement.limit(page.limit + 1)).all()
    has_more = len(found) > page.limit
    found = found[: page.limit]
    return _listed(connection, found[::-1] if backwards else found, wanted.words), has_more


def _place_of(connection: Connection, id: str | None) -> tuple[int, int] | None:
    found = connection.execute(_PLACE.where(_row.id == id)).one_or_none() if id else None
    return (found[0], found[1]) if found else None


def _matching(connection: Connection, wanted: ThreadsWanted) -> Select[Any, Any, Any, Any]:
    """Rows of (id, body, last_activity_at, message): the seq of the first hit, 0 for the title."""
    search = search_on(connection)
    rows = select(_row.id, _row.body, _row.last_activity_at)
    if wanted.words:
        first, *others = wanted.words
        statement = search.with_hits(rows, first).where(*map(search.has_word, others))
    else:
        statement = rows.add_columns(null().label("message"))
    return search.with_metadata(connection, statement, wanted.metadata)


def _listed(
    connection: Connection, found: Sequence[Row[Any, Any, Any, Any]], words: Sequence[str]
) -> list[ListedThread]:
    said = _said(connection, [row.message for row in found if row.message])
    listed: list[ListedThread] = []
    for row in found:
        shown = None
        if words:
            text = said.get(row.message) or title_of(threads.type.model_validate_json(row.body))
            shown = snippet(text, words[0])
        listed.append(ListedThread(row.id, row.body, row.last_activity_at, shown))
    return listed


def _said(connection: Connection, seqs: Sequence[int]) -> dict[int, str]:
    """The texts of messages, by their seq."""
    rows = connection.execute(select(_message.seq, _message.body).where(_message.seq.in_(seqs)))
    return {seq: text_of(messages.type.model_validate_json(body)) for seq, body in rows}
