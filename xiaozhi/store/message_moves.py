"""Messages that move to another thread: a few statements, however many they are.

The only writer of SQLite would be held for a second by 1,000 messages that move one by one. What a
message says is not read: its index is moved as it is.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, text

from xiaozhi.store.objects import messages, threads
from xiaozhi.store.search_sqlite import MESSAGE_BITS

# Numbers are given anew, behind all others: so they come at the end of the other thread.
_NUMBERS = """
    SELECT messages.seq AS old, :base + wanted.key + 1 AS new
    FROM json_each(:ids) AS wanted JOIN messages ON messages.id = wanted.value
"""
_LAST = text("SELECT max(seq) FROM sqlite_sequence WHERE name = 'messages'")
_ON_SQLITE = [
    text(
        f"""
        INSERT INTO search (rowid, grams)
        SELECT :to_seq << {MESSAGE_BITS} | numbers.new, search.grams
        FROM ({_NUMBERS}) AS numbers
        JOIN search ON search.rowid = (:from_seq << {MESSAGE_BITS} | numbers.old)
        """
    ),
    text(
        f"""
        DELETE FROM search WHERE rowid IN
        (SELECT :from_seq << {MESSAGE_BITS} | numbers.old FROM ({_NUMBERS}) AS numbers)
        """
    ),
    text(
        f"""
        UPDATE messages
        SET seq = numbers.new, thread_id = :to, body = json_set(body, '$.thread_id', :to)
        FROM ({_NUMBERS}) AS numbers WHERE messages.seq = numbers.old
        """
    ),
    # Else a number could be given twice, after the newest row was deleted.
    text("UPDATE sqlite_sequence SET seq = :last WHERE name = 'messages'"),
]
# One statement: at its end every row of the index leads to a message again. The JSON is a text
# there, and jsonb would refuse a NUL in it: the last `thread_id` is the message's own.
_ON_POSTGRES = text(
    """
    WITH numbers AS MATERIALIZED (
        SELECT old, nextval(pg_get_serial_sequence('messages', 'seq')) AS new
        FROM (
            SELECT messages.seq AS old
            FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS wanted (id, place)
            JOIN messages ON messages.id = wanted.id
            ORDER BY wanted.place
        ) AS in_order
    ), removed AS (
        DELETE FROM search USING numbers WHERE search.message = numbers.old
        RETURNING numbers.new, search.folded, search.grams
    ), moved AS (
        UPDATE messages
        SET seq = numbers.new, thread_id = :to, body = left(body, length(body) + 1 - length(:named)
            - strpos(reverse(body), reverse(:named))) || :renamed
            || right(body, strpos(reverse(body), reverse(:named)) - 1)
        FROM numbers WHERE messages.seq = numbers.old
    )
    INSERT INTO search (thread, message, folded, grams)
    SELECT :to_seq, new, folded, grams FROM removed
    """
)
_ORDER = text("SELECT id FROM messages WHERE thread_id = :thread AND seq >= :since ORDER BY seq")
_PLACE = text("SELECT seq FROM messages WHERE thread_id = :thread AND id = :message")
_THERE = {
    "sqlite": text(
        "SELECT messages.id FROM json_each(:ids) AS wanted "
        "JOIN messages ON messages.id = wanted.value WHERE messages.thread_id = :thread"
    ),
    "postgresql": text(
        "SELECT id FROM messages WHERE id = ANY(CAST(:ids AS text[])) AND thread_id = :thread"
    ),
}
_SEQ = text("SELECT seq FROM threads WHERE id = :thread")


def ids_from_on(connection: Connection, thread_id: str, message_id: str) -> list[str]:
    """The message and those behind it, oldest first. Raises NotFound."""
    values = {"thread": thread_id, "message": message_id}
    since = connection.execute(_PLACE, values).scalar()
    if since is None:
        raise messages.missing(message_id)
    return list(connection.execute(_ORDER, {"thread": thread_id, "since": since}).scalars())


def must_be_in(connection: Connection, thread_id: str, message_ids: Sequence[str]) -> None:
    """Raises NotFound for the first that does not lie in the thread."""
    name = connection.dialect.name
    values = {"ids": _many(name, message_ids), "thread": thread_id}
    there = set(connection.execute(_THERE[name], values).scalars())
    for id in message_ids:
        if id not in there:
            raise messages.missing(id)


def move(connection: Connection, message_ids: Sequence[str], thread_id: str, to: str) -> None:
    """From one thread to the end of another, in this order; they stay what they are.

    All of them lie in `thread_id`, and both threads are held.
    """
    if not message_ids:
        return
    name = connection.dialect.name
    from_seq, to_seq = (_seq(connection, id) for id in (thread_id, to))
    values: dict[str, object] = {"ids": _many(name, message_ids), "to": to, "to_seq": to_seq}
    if name == "postgresql":
        named, renamed = (f'"thread_id":{json.dumps(id)}' for id in (thread_id, to))
        connection.execute(_ON_POSTGRES, values | {"named": named, "renamed": renamed})
        return
    base: int = connection.execute(_LAST).scalar_one()
    values |= {"from_seq": from_seq, "base": base, "last": base + len(message_ids)}
    for statement in _ON_SQLITE:
        connection.execute(statement, values)


def _seq(connection: Connection, thread_id: str) -> int:
    seq = connection.execute(_SEQ, {"thread": thread_id}).scalar()
    if seq is None:
        raise threads.missing(thread_id)
    return seq


def _many(dialect: str, ids: Sequence[str]) -> object:
    """As the database takes a list. No id has a NUL in it, and Postgres would not look for one."""
    known = [id.replace("\0", "\ufffd") for id in ids]
    return known if dialect == "postgresql" else json.dumps(known)
