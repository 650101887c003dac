"""Runs in requires_action. Nobody executes them: their outputs come, or their end (`forced_end`).

Functions that take a connection run inside a unit of work (`Store.write`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.errors import InvalidRequest, RunNotReady
from xiaozhi.requests import ToolOutput
from xiaozhi.runs.calls import answered, calls_of
from xiaozhi.runs.lifecycle import moved
from xiaozhi.store import Connection, Segment, run_rows


@dataclass(frozen=True, slots=True)
class Submitted:
    """`segment`: how the run goes on. `step`: with the outputs. `before`: the other steps."""

    segment: Segment
    step: RunStep
    before: Sequence[RunStep]


def submit(
    connection: Connection,
    thread_id: str,
    run_id: str,
    outputs: Sequence[ToolOutput],
    *,
    owner: str,
    at: int,
) -> Submitted:
    """The run goes on with the outputs of what it called, held by `owner`. `at`: Unix seconds.

    Raises NotFound, RunNotReady where it does not wait, InvalidRequest where the outputs are not
    those of the pending calls (contract 7.6).
    """
    run = store.runs.locked(connection, run_id, thread_id=thread_id)
    if run.status != "requires_action":
        raise RunNotReady(f'Runs in status "{run.status}" do not accept tool outputs.')
    steps = store.steps.all(connection, run_id=run_id)
    step = next(step for step in reversed(steps) if step.status == "in_progress")
    before = [other for other in steps if other is not step]
    asked = [call.id for call in calls_of(step)]
    given = [output.tool_call_id for output in outputs]
    if sorted(asked) != sorted(given):
        raise InvalidRequest(f"Expected tool outputs for call_ids {asked}, got {given}")
    said = {output.tool_call_id: output.output or "" for output in outputs}
    done = answered(step, said, turn_usage(connection, step), at)
    store.steps.put(connection, done, run_id=run_id, usage=None)
    segment = run_rows.take_up(connection, moved(run, "queued", at), owner=owner)
    return Submitted(segment, done, before)


def turn_usage(connection: Connection, step: RunStep) -> Usage | None:
    """What the turn of `step` cost, while its calls wait for their outputs."""
    kept = run_rows.usage_of_turn(connection, step.id)
    return None if kept is None else Usage.model_validate_json(kept)
