"""Messages that wait for the lock of their thread (docs/extensions.md).

They lie beside the thread, not in it: no list and no prompt knows them. The transaction that ends a
run moves them into the thread, in the order in which they were posted.
"""

from openai.types.beta.threads import Message
from sqlalchemy import Connection, bindparam, delete, select

from xiaozhi.store import message_rows, tables
from xiaozhi.store.collection import Collection
from xiaozhi.store.objects import messages, waiting_messages

_row = tables.waiting_messages.c
_OF_THREAD = _row.thread_id == bindparam("thread")
_WAITING = select(_row.body).where(_OF_THREAD).order_by(_row.seq)
_NEWEST = select(_row.body).where(_OF_THREAD).order_by(_row.seq.desc()).limit(1)
_NONE_WAITS = delete(tables.waiting_messages).where(_OF_THREAD)
_HOLD = (
    select(tables.threads.c.seq).where(tables.threads.c.id == bindparam("thread")).with_for_update()
)


def add(connection: Connection, message: Message) -> None:
    waiting_messages.add(connection, message, thread_id=message.thread_id)


def let_in(connection: Connection, thread_id: str) -> None:
    """What waits becomes part of the thread, behind everything that is in it."""
    waiting = connection.execute(_WAITING, {"thread": thread_id}).scalars().all()
    if not waiting:
        return
    connection.execute(_NONE_WAITS, {"thread": thread_id})
    for body in waiting:
        message_rows.add(connection, messages.type.model_validate_json(body))


def newest(connection: Connection, thread_id: str) -> str | None:
    """The JSON of the one that was posted last."""
    return connection.execute(_NEWEST, {"thread": thread_id}).scalar()


def kept_in(
    connection: Connection, message_id: str, thread_id: str, *, hold: bool = False
) -> Collection[Message]:
    """Where a message is, if it is anywhere: among those that wait, or in its thread.

    `hold`: it stays there until this unit of work ends.
    """
    if hold:
        connection.execute(_HOLD, {"thread": thread_id})
    waits = waiting_messages.exists(connection, message_id, thread_id=thread_id)
    return waiting_messages if waits else messages
