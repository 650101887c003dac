"""The schema of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ACTIVE = sa.text("status IN ('queued', 'in_progress', 'requires_action', 'cancelling')")
BY_A_RUN = sa.text("run_id IS NOT NULL")


def upgrade() -> None:
    _create("assistants")
    _create(
        "threads",
        sa.Column("active_run", sa.Text),
        sa.Column("last_activity_at", sa.BigInteger, nullable=False),
    )
    op.create_index("threads_by_activity", "threads", ["last_activity_at", "seq"])
    _create(
        "messages",
        _within("threads", "thread_id"),
        sa.Column("run_id", sa.Text),
        sa.Column("tokens", sa.BigInteger, nullable=False),
    )
    op.create_index("messages_of_thread", "messages", ["thread_id", "seq", "run_id", "tokens"])
    op.create_index(
        "messages_of_run",
        "messages",
        ["run_id"],
        sqlite_where=BY_A_RUN,
        postgresql_where=BY_A_RUN,
    )
    _create(
        "runs",
        _within("threads", "thread_id"),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("runs_of_thread", "runs", ["thread_id", "seq"])
    op.create_index(
        "runs_active",
        "runs",
        ["status", "expires_at"],
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    op.create_index(
        "one_active_run_a_thread",
        "runs",
        ["thread_id"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    _create("steps", _within("runs", "run_id"))
    op.create_index("steps_of_run", "steps", ["run_id", "seq"])


def _create(table: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        table,
        sa.Column("seq", NUMBER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        *columns,
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _within(parent: str, name: str) -> sa.Column[object]:
    key = sa.ForeignKey(f"{parent}.id", ondelete="CASCADE")
    return sa.Column(name, sa.Text, key, nullable=False)
