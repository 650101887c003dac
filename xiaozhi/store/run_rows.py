"""What a run writes beside its body: who holds it, which status it has, and the lock on its thread.

A run's status moves only by compare-and-set on (status, epoch). Every function runs inside the
caller's unit of work. Who locks both a run and its thread locks the run first, but for a new one.
"""

import json
import time
from collections.abc import Collection as Values
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from openai.types.beta.threads import Run
from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from xiaozhi.store import tables, waiting_rows
from xiaozhi.store.collection import changed, written
from xiaozhi.store.message_rows import ShortMessage
from xiaozhi.store.objects import runs, threads


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a run, up to its end or to requires_action, and the epoch in which it is held.

    `number`: 0 from the run's creation on, one more with each submit_tool_outputs.
    `accepted`: when this process took it up, by time.monotonic().
    `messages`: all of its thread at that moment; None where they must be read.
    """

    run: Run
    epoch: int
    number: int
    accepted: float = field(default_factory=time.monotonic)
    messages: Sequence[ShortMessage] | None = None


_thread = tables.threads.c
_run = tables.runs.c
_free = update(tables.threads).where(
    _thread.id == bindparam("thread"), _thread.active_run.is_(None)
)

# Statements are built once: building one costs five times as much as running it.
_ACTIVE_RUN = select(_thread.active_run).where(_thread.id == bindparam("thread"))
_ACTIVE_RUN_LOCKED = _ACTIVE_RUN.with_for_update()
_TOUCH = _free.values(last_activity_at=bindparam("at"))
_LOCK = _free.values(active_run=bindparam("run"), last_activity_at=bindparam("at"))
_UNLOCK = (
    update(tables.threads)
    .where(_thread.id == bindparam("thread"), _thread.active_run == bindparam("run"))
    .values(active_run=None, last_activity_at=bindparam("at"))
)
_ADD = insert(tables.runs)
_ROW = select(_run.status, _run.epoch, _run.body).where(_run.id == bindparam("run"))
_ROW_LOCKED = _ROW.with_for_update()
_MOVED: dict[str, BindParameter[Any]] = {
    "status": bindparam("new_status"),
    "body": bindparam("new_body"),
}
_MOVE = update(tables.runs).where(_run.id == bindparam("run")).values(_MOVED)
_LET_GO = _MOVE.values(owner=None)
_FENCE = _MOVE.values(owner=None, epoch=_run.epoch + 1)
_TAKE_UP = _MOVE.values(
    owner=bindparam("new_owner"), epoch=_run.epoch + 1, segment=_run.segment + 1
)
_EPOCH_LOCKED = select(_run.epoch).where(_run.id == bindparam("run")).with_for_update()
_HELD = select(_run.epoch, _run.segment).where(_run.id == bindparam("run"))
_WAITING = select(_run.thread_id, _run.id, _run.expires_at).where(
    text(tables.ACTIVE), _run.status == "requires_action"
)
_BY_STATUS = (
    select(_run.status, func.count().label("runs")).where(text(tables.ACTIVE)).group_by(_run.status)
)
_step = tables.steps.c
_USAGE = select(_step.usage).where(_step.id == bindparam("step"))


def active_run(connection: Connection, thread_id: str) -> str | None:
    """The run that holds the thread. Raises NotFound where there is no such thread."""
    return _active_run(connection, _ACTIVE_RUN, thread_id)


def hold_thread(connection: Connection, thread_id: str) -> str | None:
    """As `active_run`; and that stays so until this unit of work ends."""
    return _active_run(connection, _ACTIVE_RUN_LOCKED, thread_id)


def _active_run(
    connection: Connection, statement: Select[str | None], thread_id: str
) -> str | None:
    row = connection.execute(statement, {"thread": thread_id}).one_or_none()
    if row is None:
        raise threads.missing(thread_id)
    return row[0]


def touch_thread(connection: Connection, thread_id: str, at: int) -> bool:
    """Note activity on a thread that no run holds; False where one does (or there is no thread)."""
    return connection.execute(_TOUCH, {"thread": thread_id, "at": at}).rowcount == 1


def lock_thread(connection: Connection, thread_id: str, run_id: str, at: int) -> bool:
    """Take the thread for `run_id`; False where another run holds it (or there is no thread)."""
    values = {"thread": thread_id, "run": run_id, "at": at}
    return connection.execute(_LOCK, values).rowcount == 1


def unlock_thread(connection: Connection, run: Run, at: int) -> None:
    """Let go of the thread and let in what waited for it: behind what the run has written."""
    values = {"thread": run.thread_id, "run": run.id, "at": at}
    if connection.execute(_UNLOCK, values).rowcount == 1:
        waiting_rows.let_in(connection, run.thread_id)


def add_run(connection: Connection, run: Run, *, owner: str, expires_at: int) -> None:
    """A new run, held by `owner` in its first epoch and segment."""
    row = {
        "id": run.id,
        "thread_id": run.thread_id,
        "status": run.status,
        "owner": owner,
        "epoch": 0,
        "segment": 0,
        "expires_at": expires_at,
        "body": written(run),
    }
    connection.execute(_ADD, row)


def move_run(
    connection: Connection,
    run: Run,
    *,
    was: Values[str],
    epoch: int | None = None,
    let_go: bool = False,
    fence: bool = False,
) -> Run | None:
    """Write the run with its new status if its row still says `was` (and `epoch`).

    `let_go`: nobody holds it from now on. `fence`: and whoever held it changes nothing any more.

    Returns the run as written, with the metadata that the row has: a client may have changed it
    meanwhile. None: the row says something else, or is gone; nothing was changed.
    """
    row = connection.execute(_ROW_LOCKED, {"run": run.id}).one_or_none()
    if row is None or row.status not in was or epoch not in (None, row.epoch):
        return None
    if (metadata := json.loads(row.body)["metadata"]) != run.metadata:
        run = changed(run, {"metadata": metadata})
    values = {"run": run.id, "new_status": run.status, "new_body": written(run)}
    connection.execute(_FENCE if fence else _LET_GO if let_go else _MOVE, values)
    return run


def take_up(connection: Connection, run: Run, *, owner: str) -> Segment:
    """Write the run with its new status, held by `owner` from now on in a new epoch and segment.

    For a run that was read in this unit of work.
    """
    values = {"run": run.id, "new_status": run.status, "new_body": written(run)}
    connection.execute(_TAKE_UP, {**values, "new_owner": owner})
    epoch, number = connection.execute(_HELD, {"run": run.id}).one()
    return Segment(run, epoch, number)


def waiting_runs(connection: Connection) -> list[tuple[str, str, int]]:
    """(thread id, run id, expires_at in Unix seconds) of those that wait for their client."""
    return [(thread, run, at) for thread, run, at in connection.execute(_WAITING)]


def active_by_status(connection: Connection) -> dict[str, int]:
    """How many runs have not ended, whoever holds them."""
    rows = connection.execute(_BY_STATUS)
    return {row.status: row.runs for row in rows}


def usage_of_turn(connection: Connection, step_id: str) -> str | None:
    """JSON; what the turn cost whose calls wait for their outputs. A client sees it at its end."""
    return connection.execute(_USAGE, {"step": step_id}).scalar()


def drop_step(connection: Connection, step_id: str) -> None:
    """Remove it, if it is there."""
    connection.execute(delete(tables.steps).where(_step.id == step_id))


def is_held(connection: Connection, run_id: str, epoch: int) -> bool:
    """Whether the holder of `epoch` still holds the run. On Postgres the row is locked then."""
    return connection.execute(_EPOCH_LOCKED, {"run": run_id}).scalar() == epoch


def held_run(connection: Connection, run_id: str, epoch: int) -> Run | None:
    """The run as its row has it; None where it is held in another epoch. Raises NotFound."""
    row = connection.execute(_ROW, {"run": run_id}).one_or_none()
    if row is None:
        raise runs.missing(run_id)
    return runs.type.model_validate_json(row.body) if row.epoch == epoch else None
