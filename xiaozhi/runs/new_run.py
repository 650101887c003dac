"""An assistant's settings and a request make a run: the rule stands here once. Pure."""

from typing import Any

from openai.types.beta import Assistant
from openai.types.beta.threads import Run

from xiaozhi.assistants import chosen_defaults, explicit_defaults, kept_tools
from xiaozhi.requests import CreateRun, CreateThreadAndRun, RunSettings
from xiaozhi.runs.lifecycle import NEW

EXPIRES_AFTER = 10 * 60  # s, OpenAI's


def new_run(
    run_id: str,
    thread_id: str,
    assistant: Assistant,
    request: RunSettings,
    *,
    model: str,
    at: int,
    expires_after: int = EXPIRES_AFTER,
) -> Run:
    """A queued run with a snapshot of the assistant: its later changes do not reach the run.

    `model`: the name of the model that will answer. `at`: Unix seconds.
    """
    return Run.model_validate(
        {
            "id": run_id,
            "object": "thread.run",
            "created_at": at,
            "thread_id": thread_id,
            "assistant_id": assistant.id,
            "expires_at": at + expires_after,
            **NEW,
            "model": model,
            "instructions": _instructions(assistant, request),
            "tools": _tools(assistant, request),
            "tool_resources": _tool_resources(request),
            "metadata": request.metadata,
            "temperature": _or(request.temperature, assistant.temperature),
            "top_p": _or(request.top_p, assistant.top_p),
            "reasoning_effort": _or(
                request.reasoning_effort, getattr(assistant, "reasoning_effort", None)
            ),
            "max_prompt_tokens": request.max_prompt_tokens,
            "max_completion_tokens": request.max_completion_tokens,
            "truncation_strategy": {
                "type": request.truncation_strategy.type,
                "last_messages": request.truncation_strategy.last_messages,
            },
            "response_format": _response_format(assistant, request),
            "tool_choice": request.model_dump(include={"tool_choice"})["tool_choice"],
            "parallel_tool_calls": request.parallel_tool_calls,
            **explicit_defaults(request, chosen_defaults(assistant)),
        }
    )


def _instructions(assistant: Assistant, request: RunSettings) -> str:
    instructions = _or(request.instructions, assistant.instructions) or ""
    more = request.additional_instructions if isinstance(request, CreateRun) else None
    return f"{instructions}\n{more}" if instructions and more else instructions or more or ""


def _tools(assistant: Assistant, request: RunSettings) -> list[dict[str, Any]]:
    if request.tools is not None:
        return kept_tools(request.tools)
    return [tool.to_dict() for tool in assistant.tools]


def _tool_resources(request: RunSettings) -> dict[str, Any]:
    found = request.tool_resources if isinstance(request, CreateThreadAndRun) else None
    return found.kept() if found else {}


def _response_format(assistant: Assistant, request: RunSettings) -> Any:
    if "response_format" in request.model_fields_set:
        return request.given()["response_format"]
    found = assistant.response_format
    return found if found is None or isinstance(found, str) else found.to_dict()


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value
