"""Threads can be searched; messages can wait for the lock."""

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from xiaozhi.store.search_sqlite import grams

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
    op.execute(
        "CREATE VIRTUAL TABLE search "
        "USING fts5(grams, tokenize = 'ascii', columnsize = 0, prefix = 1)"
    )
    _index_what_is_there(op.get_bind())


def _index_what_is_there(connection: sa.Connection) -> None:
    add = sa.text("INSERT INTO search (rowid, grams) VALUES (:number, :grams)")
    rows: list[dict[str, object]] = []
    for number, text in _texts(connection):
        if cut := grams(text):
            rows.append({"number": number, "grams": cut})
        if len(rows) == AT_ONCE:
            connection.execute(add, rows)
            rows = []
    if rows:
        connection.execute(add, rows)


def _texts(connection: sa.Connection) -> Iterator[tuple[int, str]]:
    for seq, body in connection.execute(sa.text("SELECT seq, body FROM threads ORDER BY seq")):
        yield seq << 35, json.loads(body)["metadata"].get("title", "")
    messages = connection.execute(
        sa.text(
            "SELECT threads.seq << 35 | messages.seq, messages.body FROM messages "
            "JOIN threads ON threads.id = messages.thread_id "
            "WHERE json_extract(messages.body, '$.status') != 'in_progress'"
        )
    ).yield_per(AT_ONCE)
    for number, body in messages:
        parts = json.loads(body)["content"]
        yield number, "\n".join(part["text"]["value"] for part in parts if part["type"] == "text")
