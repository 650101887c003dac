"""The statuses of a run, and which may follow which. Pure: no clock, no database, no events.

    queued ─────► in_progress ─────► completed | incomplete | failed | expired
      ▲  │            │    │
      │  │            │    └───► requires_action ───► queued (outputs submitted)
      │  │            │                  │
      └──┼────────────┼──────────────────┤
         ▼            ▼                  ▼
        cancelling ──────► cancelled | expired

Source: contract 7.3 (openai-openapi 2.0.0, RunObject.status, and recorded traffic).
"""

from collections.abc import Mapping
from typing import Any

from openai.types.beta.threads import Run, RunStatus

from xiaozhi.errors import RunNotReady
from xiaozhi.store import changed

NEXT: Mapping[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"in_progress", "cancelling", "failed", "expired"}),
    "in_progress": frozenset(
        {"requires_action", "completed", "incomplete", "failed", "cancelling", "expired"}
    ),
    "requires_action": frozenset({"queued", "cancelling", "cancelled", "expired"}),
    "cancelling": frozenset({"cancelled", "expired"}),
}
ACTIVE = frozenset(NEXT)
ENDED: frozenset[RunStatus] = frozenset(
    {"completed", "failed", "cancelled", "expired", "incomplete"}
)

# What a run is before anything has happened to it
NEW: Mapping[str, Any] = {"status": "queued"} | dict.fromkeys(
    (
        "started_at",
        "completed_at",
        "cancelled_at",
        "failed_at",
        "required_action",
        "last_error",
        "incomplete_details",
        "usage",
    )
)

# Which field says when; expired and incomplete have none (contract 7.2)
_TIMES: Mapping[RunStatus, str] = {
    "in_progress": "started_at",
    "completed": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
}


def before(status: RunStatus) -> frozenset[RunStatus]:
    """The statuses from which a run may move to `status`."""
    return frozenset(old for old, following in NEXT.items() if status in following)


def moved(run: Run, to: RunStatus, at: int, **changes: Any) -> Run:
    """The run as it is after moving. `at`: Unix seconds. Raises RunNotReady where it may not."""
    if to not in NEXT.get(run.status, frozenset()):
        raise RunNotReady(f"Run '{run.id}' is {run.status}: it cannot become {to}.")
    update: dict[str, Any] = {"status": to, "required_action": None}
    if to in _TIMES:
        update[_TIMES[to]] = at
    if to in ENDED:
        update["expires_at"] = None
    return changed(run, {**update, **changes})
