"""Unfinished runs that nobody executes any more: how they are found, claimed and handed over.

Each claim raises the epoch, so that whoever held the run before changes nothing any more. Every
function runs inside the caller's unit of work; those that ask who is alive need Postgres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)

from xiaozhi.store import tables
from xiaozhi.store.objects import runs
from xiaozhi.store.run_rows import Segment

AT_ONCE = 32  # runs that a process claims at a time: the others leave it some, and take some

_run = tables.runs.c
# In the words of the index, so that the ended ones are not looked through
_UNFINISHED = text(tables.ACTIVE) & (_run.status != "requires_action")
_OWN = (
    select(_run.id, _run.status)
    .where(_UNFINISHED, _run.owner == bindparam("owner"))
    .order_by(_run.seq)
)
_OVERDUE = (
    select(_run.thread_id, _run.id)
    .where(text(tables.ACTIVE), _run.status == "requires_action")
    .where(_run.expires_at <= bindparam("at"))
    .limit(AT_ONCE)
)

# What must move soon, or is held by the one who asks
_UNATTENDED = (
    select(_run.id, _run.status, _run.expires_at, _run.owner)
    .where(text(tables.ACTIVE))
    .where(
        or_(
            _run.expires_at <= bindparam("at"),
            _run.status == "cancelling",
            and_(_run.status != "requires_action", _run.owner == bindparam("owner")),
        )
    )
)


def _is_dead(owner: ColumnElement[Any]) -> ColumnElement[bool]:
    """Shared: who only looks is in nobody's way."""
    return func.pg_try_advisory_xact_lock_shared(func.hashtextextended(owner, 0)).is_(True)


_owners = select(_run.owner).where(_UNFINISHED).distinct().subquery()
_GONE = select(_owners.c.owner).where(
    _owners.c.owner.is_(None)
    | ((_owners.c.owner != bindparam("owner")) & _is_dead(_owners.c.owner))
)
_IS_DEAD = select(_is_dead(bindparam("owner", type_=Text)))


@dataclass(frozen=True, slots=True)
class Look:
    """`gone`: owners of unfinished runs that are dead; None stands for runs that were handed over.

    `own`: the unfinished runs of the one who looks, with their status. `overdue`: (thread id, run
    id) of those that wait for their client and should have expired.
    """

    gone: Sequence[str | None]
    own: dict[str, str]
    overdue: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Unattended:
    """An unfinished run that must move soon. `expires_at`: Unix seconds.

    `is_own`: no other process holds it.
    """

    id: str
    status: str
    expires_at: int
    is_own: bool


def unattended(connection: Connection, owner: str, at: int) -> list[Unattended]:
    """Runs that are past their expiry or are being cancelled, and all that `owner` should execute.

    `at`: Unix seconds.
    """
    return [
        Unattended(row.id, row.status, row.expires_at, row.owner in (owner, None))
        for row in connection.execute(_UNATTENDED, {"owner": owner, "at": at})
    ]


def look(connection: Connection, owner: str, at: int) -> Look:
    """What there is to do for `owner`. `at`: Unix seconds."""
    gone = list(connection.execute(_GONE, {"owner": owner}).scalars())
    own = {row.id: row.status for row in connection.execute(_OWN, {"owner": owner})}
    overdue = [(thread, run) for thread, run in connection.execute(_OVERDUE, {"at": at})]
    return Look(gone, own, overdue)


def claim_all(connection: Connection, owner: str) -> list[Segment]:
    """All there are. Only for a process that has the database to itself."""
    return _claimed(connection, owner, _UNFINISHED)


def claim_of(connection: Connection, owner: str, other: str | None) -> list[Segment]:
    """Some of those that `other` held, if it is gone indeed; None: of those handed over."""
    if other is not None and not connection.execute(_IS_DEAD, {"owner": other}).scalar():
        return []
    some = (
        select(_run.id)
        .where(_UNFINISHED, _run.owner.is_(None) if other is None else _run.owner == other)
        .order_by(_run.seq)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(some).scalars().all()
    return _claimed(connection, owner, _run.id.in_(found)) if found else []


def claim_again(connection: Connection, owner: str, run_ids: Sequence[str]) -> list[Segment]:
    """Of its own runs those that it does not execute, as far as they are unfinished."""
    chosen = _run.id.in_(run_ids)
    return _claimed(connection, owner, _UNFINISHED & (_run.owner == owner) & chosen)


def hand_over(connection: Connection, owner: str, kept: Sequence[str]) -> int:
    """Whoever looks next may claim the owner's unfinished runs, but for those `kept` (ids).

    Returns how many those are.
    """
    which = _UNFINISHED & (_run.owner == owner) & _run.id.not_in(kept)
    return connection.execute(update(tables.runs).where(which).values(owner=None)).rowcount


def _claimed(connection: Connection, owner: str, which: ColumnElement[bool]) -> list[Segment]:
    claim = update(tables.runs).where(which).values(owner=owner, epoch=_run.epoch + 1)
    found = connection.execute(claim.returning(_run.seq, _run.body, _run.epoch, _run.segment))
    return [
        Segment(runs.type.model_validate_json(body), epoch, number)
        for _, body, epoch, number in sorted(found)
    ]
