"""How a segment of a run ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from openai.types.beta.threads.run import Usage

from xiaozhi.errors import LastErrorCode

EndStatus = Literal["completed", "incomplete", "failed", "cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`usage`: of the model's last turn. `changes`: further fields of the run."""

    status: EndStatus
    usage: Usage | None = None
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def failed(code: LastErrorCode, message: str) -> Outcome:
    return Outcome("failed", changes={"last_error": {"code": code, "message": message}})
