"""The message that a run is writing, and the step that it belongs to."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import RunStep

from xiaozhi.events import Text
from xiaozhi.ids import derived_id
from xiaozhi.runs.outcome import EndStatus, Outcome
from xiaozhi.runs.steps import closed_step, new_step
from xiaozhi.store import changed

Kind = Literal["text", "refusal"]
DELTA = "thread.message.delta"

# How the run's end shows in its open message (contract 6 and 9.3)
_REASON: Mapping[EndStatus, str | None] = {
    "completed": None,
    "incomplete": "max_tokens",
    "failed": "run_failed",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
}


class Answer:
    """`number`: how many steps the run has made before this one.

    Ids are derived from run and number, so that a segment that is done again writes the same rows.
    """

    def __init__(self, step: RunStep, message: Message) -> None:
        self.step = step
        self._message = message
        # What was said, part by part, in pieces
        self._parts: list[tuple[Kind, list[str]]] = []
        for part in message.content:
            if part.type == "text":
                self._parts.append(("text", [part.text.value]))
            elif part.type == "refusal":
                self._parts.append(("refusal", [part.refusal]))
        self._told_as = [self._deltas(index, kind) for index, (kind, _) in enumerate(self._parts)]

    @classmethod
    def new(cls, run: Run, number: int | str, at: int) -> "Answer":
        message_id = derived_id("msg_", run.id, number)
        details = {
            "type": "message_creation",
            "message_creation": {"message_id": message_id},
        }
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
        return cls(new_step(run, number, details, at), message)

    def add(self, piece: str, kind: Kind = "text") -> tuple[Text, str]:
        """Take a piece of what is said; returns the text that it is of, and how JSON writes it.

        This is the one thing that happens for each token.
        """
        if not self._parts or self._parts[-1][0] != kind:
            self._told_as.append(self._deltas(len(self._parts), kind))
            self._parts.append((kind, []))
        self._parts[-1][1].append(piece)
        return self._told_as[-1], json.dumps(piece, ensure_ascii=False)[1:-1]

    def take_back(self) -> str:
        """What was said in the last part: it is empty from now on."""
        pieces = self._parts[-1][1]
        said = "".join(pieces)
        pieces.clear()
        return said

    def whole(self, value: str, kind: Kind) -> str:
        """Take a part of the message in one piece; returns the data of its one delta."""
        text, piece = self.add(value, kind)
        return text.data(piece, is_first=True)

    def _deltas(self, index: int, kind: Kind) -> Text:
        """How the pieces of a part are told: each as a `thread.message.delta`."""
        start = (
            f'{{"id":"{self._message.id}","object":"{DELTA}","delta":{{"content":'
            f'[{{"index":{index},"type":"{kind}","{kind}":'
        )
        end = "}]}}"
        if kind == "refusal":
            return Text(DELTA, f'{start}"', f'"{end}', f'"{end}')
        return Text(DELTA, f'{start}{{"value":"', f'"}}{end}', f'","annotations":[]}}{end}')

    def message(self) -> Message:
        """The message as it stands now."""
        if not self._parts:
            return self._message
        content = [_part(kind, "".join(pieces)) for kind, pieces in self._parts]
        return changed(self._message, {"content": content})

    def closed(self, outcome: Outcome, usage: Usage | None, at: int) -> tuple[RunStep, Message]:
        """Step and message as they are after they have ended so. `usage`: of the step."""
        reason = outcome.message_reason or _REASON[outcome.status]
        at = max(at, self._message.created_at)
        changes: dict[str, Any] = (
            {"status": "completed", "completed_at": at}
            if reason is None
            else {
                "status": "incomplete",
                "incomplete_at": at,
                "incomplete_details": {"reason": reason},
            }
        )
        return closed_step(self.step, outcome, usage, at), changed(self.message(), changes)


def _part(kind: Kind, value: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": value}
    return {"type": "text", "text": {"value": value, "annotations": []}}
