"""How long ago something was, as people say it. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, tzinfo
from itertools import groupby
from typing import Literal, Protocol, TypeVar

Age = Literal["today", "yesterday", "week", "older"]
WEEK = 7  # days before today


class Active(Protocol):
    """`last_activity_at`: s since 1970."""

    @property
    def last_activity_at(self) -> int: ...


Thing = TypeVar("Thing", bound=Active)


def age(at: int, now: datetime) -> Age:
    """By the calendar of `now`'s time zone: just before midnight was yesterday."""
    days = (now.date() - _day(at, now.tzinfo)).days
    if days <= 0:
        # A clock that runs a little ahead of ours makes no group of its own.
        return "today"
    if days == 1:
        return "yesterday"
    return "week" if days <= WEEK else "older"


def grouped(things: Iterable[Thing], now: datetime) -> list[tuple[Age, Sequence[Thing]]]:
    """`things`, newest first, group by group; in their order."""

    def age_of(thing: Thing) -> Age:
        return age(thing.last_activity_at, now)

    runs = groupby(things, key=age_of)
    return [(name, list(members)) for name, members in runs]


def _day(at: int, zone: tzinfo | None) -> date:
    return datetime.fromtimestamp(at, zone).date()
