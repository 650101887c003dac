"""The messages of a thread: written so that they can be found, read as a prompt needs them.

A prompt asks for their sizes first, then only for those that fit.
"""

from typing import NamedTuple

from openai.types.beta.threads import Message
from sqlalchemy import Connection, and_, bindparam, case, func, or_, select

from xiaozhi import tokens
from xiaozhi.store import tables
from xiaozhi.store.objects import messages
from xiaozhi.store.search import search_on

FEW = 20  # messages of a thread, and
SHORT = 2_000  # tokens of each, that are read in passing: at most some 160 KB

_row = tables.messages.c

_THREADS = and_(
    _row.thread_id == bindparam("thread"),
    or_(_row.run_id.is_(None), _row.run_id != bindparam("run")),
)
# Counted of what may hold pictures alone: the database has to read it for that.
_CHARACTERS = case((_row.tokens >= tokens.IMAGE, func.length(_row.body)), else_=0)
_PLACES = (
    select(_row.seq, _row.tokens, _CHARACTERS)
    .where(_THREADS)
    .order_by(_row.seq.desc())
    .limit(bindparam("newest"))
)
_BODIES = select(_row.body).where(_THREADS, _row.seq >= bindparam("since")).order_by(_row.seq)


_NEWEST = (
    select(_row.body)
    .where(_row.thread_id == bindparam("thread"))
    .order_by(_row.seq.desc())
    .limit(1)
)
_NEWEST_ID = (
    select(_row.id).where(_row.thread_id == bindparam("thread")).order_by(_row.seq.desc()).limit(1)
)
_FEW = (
    select(_row.tokens, case((_row.tokens <= SHORT, _row.body)))
    .where(_row.thread_id == bindparam("thread"))
    .order_by(_row.seq.desc())
    .limit(FEW + 1)
)
_DROP = tables.messages.delete().where(_row.id == bindparam("message"))


class Place(NamedTuple):
    """`seq`: where the message stands in its thread. `tokens`: about how long it is.

    `characters`: of its JSON, where it is long or holds a picture, else 0.
    """

    seq: int
    tokens: int
    characters: int


class ShortMessage(NamedTuple):
    """`tokens`: about how long it is. `body`: its JSON."""

    tokens: int
    body: str


def add(connection: Connection, message: Message) -> None:
    messages.add(connection, message, **_columns(message))
    if _is_said(message):
        search_on(connection).add_message(connection, message.id, text_of(message))


def put(connection: Connection, message: Message) -> None:
    """Write it, whether it is kept already or new."""
    messages.put(connection, message, **_columns(message))
    if _is_said(message):
        search_on(connection).remove_message(connection, message.id)
        search_on(connection).add_message(connection, message.id, text_of(message))


def delete(connection: Connection, message_id: str, thread_id: str) -> None:
    """Raises NotFound."""
    messages.must_exist(connection, message_id, thread_id=thread_id)
    search_on(connection).remove_message(connection, message_id)
    messages.delete(connection, message_id)


def newest(connection: Connection, thread_id: str) -> str | None:
    """The JSON of the newest message, whoever made it."""
    return connection.execute(_NEWEST, {"thread": thread_id}).scalar()


def all_if_few(connection: Connection, thread_id: str) -> list[ShortMessage] | None:
    """All messages of the thread, oldest first; None where they are many, or one is long."""
    found = connection.execute(_FEW, {"thread": thread_id}).all()
    if len(found) > FEW or any(body is None for _tokens, body in found):
        return None
    return [ShortMessage(*row) for row in reversed(found)]


def is_newest(connection: Connection, thread_id: str, message_id: str) -> bool:
    """Whether it is the thread's last message."""
    return connection.execute(_NEWEST_ID, {"thread": thread_id}).scalar() == message_id


def drop(connection: Connection, message_id: str) -> None:
    """Remove it, if it is there."""
    search_on(connection).remove_message(connection, message_id)
    connection.execute(_DROP, {"message": message_id})


def places(connection: Connection, thread_id: str, *, without_run: str, newest: int) -> list[Place]:
    """Of the thread's `newest` messages, oldest first, without those that a run made."""
    values = {"thread": thread_id, "run": without_run, "newest": newest}
    return [Place(*row) for row in reversed(connection.execute(_PLACES, values).all())]


def bodies(connection: Connection, thread_id: str, since: int, *, without_run: str) -> list[str]:
    """The messages from the place `since` on, oldest first."""
    values = {"thread": thread_id, "run": without_run, "since": since}
    return list(connection.execute(_BODIES, values).scalars())


def text_of(message: Message) -> str:
    """What is said in it, without pictures."""
    return "\n".join(part.text.value for part in message.content if part.type == "text")


def _is_said(message: Message) -> bool:
    """What a run is still saying is saved every second: it can be found when it has been said."""
    return message.status != "in_progress"


def _columns(message: Message) -> dict[str, object]:
    return {
        "thread_id": message.thread_id,
        "run_id": message.run_id,
        "tokens": tokens.of_message(message),
    }
