"""How a segment of a run ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from openai.types.beta.threads.run import Usage

from xiaozhi.errors import LastErrorCode
from xiaozhi.surrogates import without_halves

EndStatus = Literal["completed", "incomplete", "failed", "cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The run is over. `usage`: of the model's last turn. `changes`: further fields of the run.

    `message_reason`: why the open message is incomplete, where the status alone does not say it.
    """

    status: EndStatus
    usage: Usage | None = None
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    message_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The run waits for its client to do what the model called. `usage`: of the model's turn."""

    usage: Usage | None = None


# How OpenAI's messages begin: many programs decide by these words whether to try again.
_BEGINS: Mapping[LastErrorCode, str] = {
    "rate_limit_exceeded": "Rate limit reached. ",
    "server_error": "Sorry, something went wrong. ",
}
OPENAIS = ("Rate limit reached", "Sorry, something went wrong", "The server had an error")


def failed(code: LastErrorCode, message: str) -> Outcome:
    """`message`: a sentence of ours, with the endpoint's words behind it where there are some, and
    whatever characters these have.
    """
    if not message.startswith(OPENAIS):
        message = _BEGINS.get(code, "") + message
    return Outcome(
        "failed", changes={"last_error": {"code": code, "message": without_halves(message)}}
    )


def incomplete(
    reason: Literal["max_prompt_tokens", "max_completion_tokens"],
    usage: Usage | None = None,
) -> Outcome:
    return Outcome("incomplete", usage, {"incomplete_details": {"reason": reason}})
