"""The functions that a model calls in one turn, and the step that they belong to."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from openai.types.beta.threads import Run
from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import FunctionToolCall, RunStep

from xiaozhi.chat_models import CallPiece
from xiaozhi.ids import derived_id
from xiaozhi.runs.steps import new_step
from xiaozhi.store import changed


class Calls:
    """`number`: how many steps the run has made before this one; the step's id and those of its
    calls are derived from it. A model's own ids may be the same in each turn.
    """

    def __init__(self, run: Run, number: int, at: int) -> None:
        self.step = new_step(run, number, {"type": "tool_calls", "tool_calls": []}, at)
        self._run = run
        self.number = number
        self._calls: list[tuple[str, list[str]]] = []

    def add(self, piece: CallPiece) -> list[str]:
        """Take a piece of a call; returns the data of its `thread.run.step.delta` events."""
        told: list[str] = []
        if piece.name is not None:
            self._calls.append((piece.name, []))
            function = {"name": piece.name, "arguments": "", "output": None}
            id = self._id(piece.index)
            told.append(self._delta({"index": piece.index, "id": id}, function))
        if piece.arguments:
            self._calls[piece.index][1].append(piece.arguments)
            told.append(self._delta({"index": piece.index}, {"arguments": piece.arguments}))
        return told

    def whole(self) -> RunStep:
        """The step with all its calls, as far as they are known."""
        calls = [
            {
                "id": self._id(index),
                "type": "function",
                "function": {"name": name, "arguments": "".join(pieces), "output": None},
            }
            for index, (name, pieces) in enumerate(self._calls)
        ]
        return changed(self.step, {"step_details": {"type": "tool_calls", "tool_calls": calls}})

    def _id(self, index: int) -> str:
        return derived_id("call_", self._run.id, self.number, index)

    def _delta(self, call: dict[str, Any], function: dict[str, Any]) -> str:
        calls = [{**call, "type": "function", "function": function}]
        delta = {"step_details": {"type": "tool_calls", "tool_calls": calls}}
        event = {"id": self.step.id, "object": "thread.run.step.delta", "delta": delta}
        return json.dumps(event, ensure_ascii=False)


def calls_of(step: RunStep) -> list[FunctionToolCall]:
    """The functions that were called in `step`; none where it is a message."""
    details = step.step_details
    if details.type != "tool_calls":
        return []
    return [call for call in details.tool_calls if call.type == "function"]


def asked_for(step: RunStep) -> dict[str, Any]:
    """The `required_action` of a run that waits for the outputs of `step`."""
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in calls_of(step)
    ]
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}


def answered(step: RunStep, outputs: Mapping[str, str], usage: Usage | None, at: int) -> RunStep:
    """`step`, completed. `outputs`: of each of its calls, by id. `usage`: of its turn."""
    calls: Sequence[FunctionToolCall] = calls_of(step)
    changes: dict[str, Any] = {
        "status": "completed",
        "completed_at": max(at, step.created_at),
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [
                {
                    **call.to_dict(),
                    "function": {**call.function.to_dict(), "output": outputs[call.id]},
                }
                for call in calls
            ],
        },
        "usage": None if usage is None else usage.to_dict(),
    }
    return changed(step, changes)
