"""Every table, on one screen; but for the index of the search (store/search.py).

An object is stored whole: `body` is the JSON that a client gets, beside the few columns that
queries filter, sort or lock on. `seq` is the order of creation: `created_at` has whole seconds
only.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)


class Id(TypeDecorator[str]):
    """No id has a NUL in it, and Postgres would not even look for one."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\ufffd") if value and "\0" in value else value


metadata = MetaData()

# 64 bits everywhere; SQLite numbers rows by itself only in a column called INTEGER
_Number = BigInteger().with_variant(Integer, "sqlite")

ACTIVE = "status IN ('queued', 'in_progress', 'requires_action', 'cancelling')"


def _table(name: str, *columns: Column[object] | Index) -> Table:
    return Table(
        name,
        metadata,
        Column("seq", _Number, primary_key=True),
        Column("id", Id, nullable=False, unique=True),
        *columns,
        Column("body", Text, nullable=False),
        # A number is never given twice, also after the newest row was deleted.
        sqlite_autoincrement=True,
    )


def _within(parent: Table) -> Column[object]:
    name = parent.name.removesuffix("s") + "_id"
    key = ForeignKey(parent.c.id, ondelete="CASCADE")
    return Column(name, Id, key, nullable=False)


assistants = _table("assistants")

threads = _table(
    "threads",
    # The lock of contract 7.4: the run that holds the thread
    Column("active_run", Id),
    Column("last_activity_at", BigInteger, nullable=False),
    Index("threads_by_activity", "last_activity_at", "seq"),
)

messages = _table(
    "messages",
    _within(threads),
    Column("run_id", Id),
    # About how long it is, so that a prompt reads no more of a long thread than it can hold
    Column("tokens", BigInteger, nullable=False),
    Index("messages_of_thread", "thread_id", "seq", "run_id", "tokens"),
    Index(
        "messages_of_run",
        "run_id",
        sqlite_where=text("run_id IS NOT NULL"),
        postgresql_where=text("run_id IS NOT NULL"),
    ),
)

# Posted while a run held the thread: not in it yet (store/waiting_rows.py)
waiting_messages = _table(
    "waiting_messages",
    _within(threads),
    Index("waiting_messages_of_thread", "thread_id", "seq"),
)

runs = _table(
    "runs",
    _within(threads),
    Column("status", Text, nullable=False),
    # Who holds the run, and how often it changed hands: writes of an older epoch change nothing
    Column("owner", Text),
    Column("epoch", BigInteger, nullable=False),
    # How many times the run has been started: at its creation, then by each submit_tool_outputs
    Column("segment", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("runs_of_thread", "thread_id", "seq"),
    Index(
        "runs_active",
        "status",
        "expires_at",
        sqlite_where=text(ACTIVE),
        postgresql_where=text(ACTIVE),
    ),
    Index(
        "one_active_run_a_thread",
        "thread_id",
        unique=True,
        sqlite_where=text(ACTIVE),
        postgresql_where=text(ACTIVE),
    ),
)

steps = _table(
    "steps",
    _within(runs),
    # JSON; what the turn cost, while its calls wait for their outputs: `body` says it at the end
    Column("usage", Text),
    Index("steps_of_run", "run_id", "seq"),
)

# What the model thought in a turn of a run: no part of any object, told to who asks for it
reasoning = Table(
    "reasoning",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    # How many steps the run had made before the turn
    Column("number", _Number, primary_key=True, autoincrement=False),
    # JSON, in which a NUL is no NUL
    Column("text", Text, nullable=False),
    # How long it thought; not known while it does
    Column("ms", BigInteger),
    # The field in which the model's server sent it, and wants it back
    Column("field", Text, nullable=False),
)
