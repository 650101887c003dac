"""A run, and the assistant that it is a run of, for tests of the pure parts."""

from typing import Any

from openai.types.beta.threads import Message, Run

from xiaozhi.assistants import new_assistant
from xiaozhi.requests import CreateAssistant, CreateMessage, CreateRun
from xiaozhi.runs.new_run import new_run
from xiaozhi.store import changed
from xiaozhi.threads import new_message


def a_run(assistant: dict[str, Any] | None = None, **fields: Any) -> Run:
    """`assistant`: how it was created. `fields`: of the run's request, and its status."""
    status = fields.pop("status", "queued")
    made = new_assistant(CreateAssistant(model="m", **(assistant or {})), at=0)
    request = CreateRun(assistant_id=made.id, **fields)
    run = new_run("run_x", "thread_x", made, request, model="m", at=0)
    return changed(run, {"status": status})


def a_message(content: Any, role: Any = "user") -> Message:
    return new_message("thread_x", CreateMessage(role=role, content=content), at=0)
