"""Which status may follow which (contract 7.3)."""

import itertools
from typing import get_args

import pytest
from openai.types.beta.threads import Run, RunStatus

from tests.runs.a_run import a_run
from xiaozhi.errors import RunNotReady
from xiaozhi.runs.lifecycle import ACTIVE, ENDED, NEXT, before, moved

ALL: tuple[RunStatus, ...] = get_args(RunStatus)


def test_every_status_is_active_or_an_end():
    assert set(ALL) == ACTIVE | ENDED
    assert not ACTIVE & ENDED


def test_every_active_status_leads_to_an_end():
    for status in ACTIVE:
        reached: set[RunStatus] = {status}
        for _ in ALL:
            reached |= {new for old in reached & ACTIVE for new in NEXT[old]}
        assert reached & ENDED


@pytest.mark.parametrize(("old", "new"), list(itertools.product(ALL, ALL)))
def test_a_run_moves_only_where_it_may(old: RunStatus, new: RunStatus):
    run = a_run(status=old)
    if new in NEXT.get(old, ()):
        assert moved(run, new, at=7).status == new
        assert old in before(new)
    else:
        with pytest.raises(RunNotReady, match=f"is {old}: it cannot become {new}"):
            moved(run, new, at=7)


@pytest.mark.parametrize(
    ("new", "field"),
    [("completed", "completed_at"), ("failed", "failed_at"), ("in_progress", "started_at")],
)
def test_a_status_sets_its_time(new: RunStatus, field: str):
    old: RunStatus = "queued" if new == "in_progress" else "in_progress"
    assert getattr(moved(a_run(status=old), new, at=7), field) == 7


def test_an_ended_run_expires_no_more():
    run = a_run(status="in_progress")
    assert run.expires_at == 600
    for end in ("completed", "incomplete", "expired"):
        ended = moved(run, end, at=7)
        assert ended.expires_at is None
        times = [ended.failed_at, ended.cancelled_at]
        assert times == [None, None]
    assert isinstance(ended, Run)
