"""The message that a run is writing, and the step that it belongs to."""

import json
from collections.abc import Mapping
from typing import Any

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.ids import derived_id
from xiaozhi.runs.outcome import EndStatus, Outcome
from xiaozhi.store import Connection, changed, message_rows

# How the run's end shows in its open message and step (contract 6, 8 and 9.3)
_MESSAGE_REASON: Mapping[EndStatus, str | None] = {
    "completed": None,
    "incomplete": "max_tokens",
    "failed": "run_failed",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
}
_STEP_STATUS: Mapping[EndStatus, tuple[str, str]] = {
    "completed": ("completed", "completed_at"),
    "incomplete": ("completed", "completed_at"),
    "failed": ("failed", "failed_at"),
    "cancelled": ("cancelled", "cancelled_at"),
    "expired": ("expired", "expired_at"),
}


class Answer:
    """`number`: how many steps the run has made before this one.

    Ids are derived from run and number, so that a segment that is done again writes the same rows.
    """

    def __init__(self, step: RunStep, message: Message, *, told: bool) -> None:
        self.step = step
        self._message = message
        self._texts = [part.text.value for part in message.content if part.type == "text"]
        # Whether listeners have heard that there is this message
        self.told = told

    @classmethod
    def new(cls, run: Run, number: int, at: int) -> "Answer":
        step_id = derived_id("step_", run.id, number)
        message_id = derived_id("msg_", run.id, number)
        step = RunStep.model_validate(
            {
                "id": step_id,
                "object": "thread.run.step",
                "created_at": at,
                "run_id": run.id,
                "assistant_id": run.assistant_id,
                "thread_id": run.thread_id,
                "type": "message_creation",
                "status": "in_progress",
                "step_details": {
                    "type": "message_creation",
                    "message_creation": {"message_id": message_id},
                },
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
        message = Message.model_validate(
            {
                "id": message_id,
                "object": "thread.message",
                "created_at": at,
                "thread_id": run.thread_id,
                "status": "in_progress",
                "incomplete_details": None,
                "completed_at": None,
                "incomplete_at": None,
                "role": "assistant",
                "content": [],
                "assistant_id": run.assistant_id,
                "run_id": run.id,
                "attachments": [],
                "metadata": {},
            }
        )
        return cls(step, message, told=False)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def add(self, piece: str) -> str:
        """Take a piece of text; returns the data of its `thread.message.delta`.

        Written by hand: this is the one thing that happens for each token.
        """
        first = "" if self._texts else ',"annotations":[]'
        self._texts.append(piece)
        value = json.dumps(piece, ensure_ascii=False)
        return (
            f'{{"id":"{self._message.id}","object":"thread.message.delta","delta":{{"content":'
            f'[{{"index":0,"type":"text","text":{{"value":{value}{first}}}}}]}}}}'
        )

    def message(self) -> Message:
        """The message as it stands now."""
        if not self._texts:
            return self._message
        content: list[Any] = [{"type": "text", "text": {"value": self.text, "annotations": []}}]
        return changed(self._message, {"content": content})

    def closed(self, outcome: Outcome, at: int) -> tuple[RunStep, Message]:
        """Step and message as they are after the run has ended so."""
        step_status, step_time = _STEP_STATUS[outcome.status]
        step: dict[str, Any] = {"status": step_status, step_time: at}
        if outcome.usage:
            step["usage"] = outcome.usage.to_dict()
        if outcome.status == "failed":
            step["last_error"] = _step_error(outcome.changes["last_error"])
        reason = _MESSAGE_REASON[outcome.status]
        changes: dict[str, Any] = (
            {"status": "completed", "completed_at": at}
            if reason is None
            else {
                "status": "incomplete",
                "incomplete_at": at,
                "incomplete_details": {"reason": reason},
            }
        )
        return changed(self.step, step), changed(self.message(), changes)


def _step_error(of_run: Mapping[str, str]) -> dict[str, str]:
    code = "server_error" if of_run["code"] == "invalid_prompt" else of_run["code"]
    return {"code": code, "message": of_run["message"]}


def add(connection: Connection, step: RunStep, message: Message) -> None:
    """Write both for the first time."""
    store.steps.add(connection, step, run_id=step.run_id)
    message_rows.add(connection, message)


def put(connection: Connection, step: RunStep, message: Message) -> None:
    """Write both, whether they are new or not. A client's metadata on the message stays."""
    store.steps.put(connection, step, run_id=step.run_id)
    message_rows.put(connection, message)
