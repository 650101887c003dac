"""SQLite looks threads up by their metadata in an index; Postgres has one since 0002."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

AT_ONCE = 500  # rows


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    pairs = op.create_table(
        "thread_metadata",
        sa.Column(
            "thread",
            sa.Integer,
            sa.ForeignKey("threads.seq", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    seq = 0
    # In portions, so that not all is in memory at a time
    statement = sa.text("SELECT seq, body FROM threads WHERE seq > :seq ORDER BY seq LIMIT :limit")
    while rows := connection.execute(statement, {"seq": seq, "limit": AT_ONCE}).all():
        metadata: list[tuple[int, dict[str, str]]] = [
            (seq, json.loads(body).get("metadata") or {}) for seq, body in rows
        ]
        found = [
            {"thread": seq, "key": key, "value": value}
            for seq, of_thread in metadata
            for key, value in of_thread.items()
        ]
        if found:
            connection.execute(pairs.insert(), found)
        seq = rows[-1][0]
    # Made at once it is quicker than row by row
    op.create_index("thread_metadata_by_pair", "thread_metadata", ["key", "value", "thread"])
