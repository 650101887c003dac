"""Steps of a run: how one begins, and how the end of its run shows in it."""

from collections.abc import Iterable, Mapping
from typing import Any

from openai.types.beta.threads import Run
from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import RunStep

from xiaozhi.ids import derived_id, later_than
from xiaozhi.runs.outcome import EndStatus, Outcome
from xiaozhi.store import changed

CALLS_AHEAD = 2  # s by which calls may lie ahead of the clock, to be later than what was before

# Contract 8 and 9.3: the message of an incomplete run is cut, its step has been done.
_STATUS: Mapping[EndStatus, tuple[str, str]] = {
    "completed": ("completed", "completed_at"),
    "incomplete": ("completed", "completed_at"),
    "failed": ("failed", "failed_at"),
    "cancelled": ("cancelled", "cancelled_at"),
    "expired": ("expired", "expired_at"),
}


def behind(number: int) -> str:
    """In place of a number: of what was said behind the calls of the step with this one."""
    return f"{number} behind"


def is_behind(step: RunStep, number: int) -> bool:
    """Whether the step holds what was said behind the calls of the step with this number."""
    return step.id == derived_id("step_", step.run_id, behind(number))


def new_step(run: Run, number: int | str, details: dict[str, Any], at: int) -> RunStep:
    """`number`: how many steps the run has made before, or `behind`. `details`: step_details."""
    return RunStep.model_validate(
        {
            "id": derived_id("step_", run.id, number),
            "object": "thread.run.step",
            "created_at": at,
            "run_id": run.id,
            "assistant_id": run.assistant_id,
            "thread_id": run.thread_id,
            "type": details["type"],
            "status": "in_progress",
            "step_details": details,
            "last_error": None,
            "expired_at": None,
            "cancelled_at": None,
            "failed_at": None,
            "completed_at": None,
            "expires_at": run.expires_at,
            "metadata": {},
            "usage": None,
        }
    )


def time_of_answer(newest_message: int, before: Iterable[RunStep], at: int) -> int:
    """The `created_at` of a message and its step: later than every message before it.

    Many programs sort messages by it, and a quick model answers in the same second.
    `newest_message`: the latest time in the thread, without the run's own messages. `before`: the
    steps that the run has made. All times are Unix seconds.
    """
    return later_than(max(newest_message, _newest(before)), at)


def time_of_calls(before: Iterable[RunStep], at: int) -> int:
    """The `created_at` of a step that calls functions: never before that of the steps `before`."""
    return later_than(_newest(before), at, ahead=CALLS_AHEAD)


def _newest(steps: Iterable[RunStep]) -> int:
    return max((step.created_at for step in steps), default=0)


def closed_step(step: RunStep, outcome: Outcome, usage: Usage | None, at: int) -> RunStep:
    """`step` as it is after its run has ended so. `usage`: of its turn, where it is known."""
    status, time = _STATUS[outcome.status]
    if outcome.status == "incomplete" and step.type == "tool_calls":
        # Calls that were cut off have not been done.
        status, time = "cancelled", "cancelled_at"
    changes: dict[str, Any] = {"status": status, time: max(at, step.created_at)}
    if usage is not None:
        changes["usage"] = usage.to_dict()
    if outcome.status == "failed":
        changes["last_error"] = _error(outcome.changes["last_error"])
    return changed(step, changes)


def message_id(step: RunStep) -> str | None:
    """Of the message that the step made; None where it called functions."""
    details = step.step_details
    return details.message_creation.message_id if details.type == "message_creation" else None


def total_usage(steps: Iterable[RunStep], more: Usage | None = None) -> dict[str, int]:
    """A run's usage: over its steps, and of a turn that made none. Zeros if no model answered."""
    usages = [step.usage for step in steps if step.usage] + ([more] if more else [])
    return {
        key: sum(getattr(usage, key) for usage in usages)
        for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    }


def _error(of_run: Mapping[str, str]) -> dict[str, str]:
    code = "server_error" if of_run["code"] == "invalid_prompt" else of_run["code"]
    return {"code": code, "message": of_run["message"]}
