"""Threads can be searched; messages can wait for the lock."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic import op

from xiaozhi.store import search_postgres, search_sqlite

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
AT_ONCE = 500  # rows


def upgrade() -> None:
    op.create_table(
        "waiting_messages",
        sa.Column("seq", NUMBER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column(
            "thread_id", sa.Text, sa.ForeignKey("threads.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("waiting_messages_of_thread", "waiting_messages", ["thread_id", "seq"])
    if op.get_bind().dialect.name == "postgresql":
        _index_on_postgres(op.get_bind())
    else:
        _index_on_sqlite(op.get_bind())


@dataclass(frozen=True, slots=True)
class Text:
    """What is said in a message; the title of a thread, where `message` is None. Numbers: seqs."""

    thread: int
    message: int | None
    words: str
    metadata: Mapping[str, str] | None


def _index_on_sqlite(connection: sa.Connection) -> None:
    connection.execute(
        sa.text(
            "CREATE VIRTUAL TABLE search "
            "USING fts5(grams, tokenize = 'ascii', columnsize = 0, prefix = 1)"
        )
    )
    add = sa.text("INSERT INTO search (rowid, grams) VALUES (:number, :grams)")
    for texts in _texts(connection):
        cut = [(text, search_sqlite.cut_up(text.words)) for text in texts]
        rows = [
            {"number": text.thread << 35 | (text.message or 0), "grams": grams}
            for text, grams in cut
            if grams
        ]
        if rows:
            connection.execute(add, rows)


def _index_on_postgres(connection: sa.Connection) -> None:
    search = op.create_table(
        "search",
        sa.Column("thread", sa.BigInteger, _of("threads"), nullable=False),
        sa.Column("message", sa.BigInteger, _of("messages")),
        sa.Column("folded", sa.Text(collation="C"), nullable=False),
        sa.Column("grams", sa.ARRAY(sa.Text(collation="C")), nullable=False),
    )
    op.create_index("search_of_thread", "search", ["thread", sa.text("message NULLS FIRST")])
    op.create_index("search_of_message", "search", ["message"])
    for texts in _texts(connection):
        cut = [(text, search_postgres.cut_up(text.words, text.metadata)) for text in texts]
        rows = [
            {"thread": text.thread, "message": text.message, **columns}
            for text, columns in cut
            if columns
        ]
        if rows:
            connection.execute(search.insert(), rows)
    # Made at once it is quicker than row by row
    op.create_index(
        "search_grams",
        "search",
        ["grams"],
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 128},
    )


def _of(parent: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{parent}.seq", ondelete="CASCADE")


def _texts(connection: sa.Connection) -> Iterator[list[Text]]:
    """In portions, so that not all is in memory at a time."""
    threads = "SELECT seq, body FROM threads WHERE seq > :seq ORDER BY seq LIMIT :limit"
    for rows in _portions(connection, threads):
        known: list[tuple[int, dict[str, str]]] = [
            (seq, json.loads(body)["metadata"] or {}) for seq, body in rows
        ]
        yield [Text(seq, None, metadata.get("title", ""), metadata) for seq, metadata in known]
    messages = (
        "SELECT messages.seq, messages.body, threads.seq FROM messages "
        "JOIN threads ON threads.id = messages.thread_id "
        "WHERE messages.seq > :seq ORDER BY messages.seq LIMIT :limit"
    )
    for rows in _portions(connection, messages):
        said: list[tuple[int, dict[str, Any], int]] = [
            (seq, json.loads(body), thread) for seq, body, thread in rows
        ]
        yield [
            Text(thread, seq, _words(message), None)
            for seq, message, thread in said
            if message["status"] != "in_progress"
        ]


def _portions(connection: sa.Connection, statement: str) -> Iterator[Sequence[Sequence[Any]]]:
    seq = 0
    while rows := connection.execute(sa.text(statement), {"seq": seq, "limit": AT_ONCE}).all():
        yield rows
        seq = rows[-1][0]


def _words(message: dict[str, Any]) -> str:
    parts = message["content"]
    return "\n".join(part["text"]["value"] for part in parts if part["type"] == "text")
