"""What was today and what was yesterday depends on where one is."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from xiaozhi.ui.days import Age, age, grouped

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 10, 0, 30, tzinfo=SHANGHAI)


@dataclass
class Talk:
    last_activity_at: int


def at(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=SHANGHAI).timestamp())


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (at(2026, 3, 10, 0, 1), "today"),
        (at(2026, 3, 10, 0, 31), "today"),  # a clock that runs ahead
        (at(2026, 3, 9, 23, 59), "yesterday"),
        (at(2026, 3, 9, 0, 0), "yesterday"),
        (at(2026, 3, 8, 23, 59), "week"),
        (at(2026, 3, 3, 0, 0), "week"),
        (at(2026, 3, 2, 23, 59), "older"),
        (at(2020, 1, 1), "older"),
    ],
)
def test_the_calendar_counts_and_not_the_hours(then: int, expected: Age):
    assert age(then, NOW) == expected


def test_the_same_moment_lies_on_another_day_elsewhere():
    then = at(2026, 3, 9, 23, 59)
    assert age(then, NOW) == "yesterday"
    assert age(then, NOW.astimezone(ZoneInfo("America/New_York"))) == "today"


def test_a_day_of_23_hours_is_a_day():
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 3, 30, 0, 30, tzinfo=berlin)  # the day after the clocks went forward
    before = datetime(2026, 3, 29, 0, 15, tzinfo=berlin)
    assert age(int(before.timestamp()), now) == "yesterday"


def test_groups_keep_the_order_and_none_is_empty():
    talks = [Talk(at(2026, 3, 10, 0, 20)), Talk(at(2026, 3, 10, 0, 10)), Talk(at(2026, 1, 1))]
    assert grouped(talks, NOW) == [("today", talks[:2]), ("older", talks[2:])]
    assert grouped([], NOW) == []
