"""Times that clients sort by: they ascend, and stay near the clock."""

import pytest

from xiaozhi.ids import FURTHEST_AHEAD, later_than, not_before

NOON = 43_200  # Unix seconds


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (0, NOON),
        (NOON - 1, NOON),
        (NOON, NOON + 1),
        (NOON + 5, NOON + 6),
        (NOON + FURTHEST_AHEAD, NOON + FURTHEST_AHEAD),
        # The clock was set back, and what was made before counts no longer.
        (NOON + FURTHEST_AHEAD + 1, NOON),
        (NOON + 86_400, NOON),
    ],
)
def test_an_answer_is_later_as_far_as_the_clock_can_be_trusted(newest: int, expected: int):
    assert later_than(newest, NOON) == expected


def test_calls_are_never_earlier_and_hardly_ahead():
    assert [later_than(NOON + ahead, NOON, ahead=2) for ahead in (-1, 0, 1, 2, 3)] == [
        NOON,
        NOON + 1,
        NOON + 2,
        NOON + 2,
        NOON + 3,
    ]


def test_a_question_is_not_before_the_answer_above_it():
    assert [not_before(NOON + ahead, NOON) for ahead in (-1, 0, 1)] == [NOON, NOON, NOON + 1]
    assert not_before(NOON + 86_400, NOON) == NOON
