"""The messages of a thread as a prompt needs them: their sizes first, then only those that fit."""

from typing import NamedTuple

from openai.types.beta.threads import Message
from sqlalchemy import Connection, and_, bindparam, delete, or_, select

from xiaozhi import tokens
from xiaozhi.store import tables
from xiaozhi.store.objects import messages

FEW = 20  # messages that may be read on the way, without a look-up of their own

_row = tables.messages.c


_THREADS = and_(
    _row.thread_id == bindparam("thread"),
    or_(_row.run_id.is_(None), _row.run_id != bindparam("run")),
)
_PLACES = select(_row.seq, _row.tokens).where(_THREADS).order_by(_row.seq.desc())
_NEWEST_PLACES = _PLACES.limit(bindparam("newest"))
_BODIES = select(_row.body).where(_THREADS, _row.seq >= bindparam("since")).order_by(_row.seq)


_FIRST = (
    select(_row.body).where(_row.thread_id == bindparam("thread")).order_by(_row.seq).limit(FEW + 1)
)


class Place(NamedTuple):
    """`seq`: where the message stands in its thread. `tokens`: about how long it is."""

    seq: int
    tokens: int


def add(connection: Connection, message: Message) -> None:
    messages.add(connection, message, **_columns(message))


def put(connection: Connection, message: Message) -> None:
    """Write it, whether it is kept already or new."""
    messages.put(connection, message, **_columns(message))


def drop(connection: Connection, message_id: str) -> None:
    """Remove it, if it is there."""
    connection.execute(delete(tables.messages).where(_row.id == message_id))


def places(
    connection: Connection, thread_id: str, *, without_run: str, newest: int | None = None
) -> list[Place]:
    """Of the thread's messages (the `newest` ones), oldest first, without those that a run made."""
    values: dict[str, object] = {"thread": thread_id, "run": without_run}
    if newest is None:
        found = connection.execute(_PLACES, values).all()
    else:
        found = connection.execute(_NEWEST_PLACES, values | {"newest": newest}).all()
    return [Place(seq, count) for seq, count in reversed(found)]


def bodies(connection: Connection, thread_id: str, since: int, *, without_run: str) -> list[str]:
    """The messages from the place `since` on, oldest first."""
    values = {"thread": thread_id, "run": without_run, "since": since}
    return list(connection.execute(_BODIES, values).scalars())


def all_if_few(connection: Connection, thread_id: str) -> list[str] | None:
    """All messages of a short thread, oldest first; None where the thread is longer."""
    found = list(connection.execute(_FIRST, {"thread": thread_id}).scalars())
    return found if len(found) <= FEW else None


def _columns(message: Message) -> dict[str, object]:
    return {
        "thread_id": message.thread_id,
        "run_id": message.run_id,
        "tokens": tokens.of_message(message),
    }
