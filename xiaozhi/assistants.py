"""Assistants: how a request becomes an object."""

from collections.abc import Collection, Iterable
from typing import Any

from openai.types.beta import Assistant
from openai.types.beta.threads import Run

from xiaozhi import store
from xiaozhi.errors import InvalidRequest
from xiaozhi.ids import new_id
from xiaozhi.requests import AnyTool, CreateAssistant, FunctionTool, ModifyAssistant, RunSettings
from xiaozhi.store import Connection, changed

# Shown where nobody chose one (contract 4). A model endpoint is told only of what somebody chose:
# many refuse these, or have defaults of their own (docs/endpoints.md).
DEFAULTS = {"temperature": 1.0, "top_p": 1.0}
# An extension: which of them somebody chose nevertheless
EXPLICIT_DEFAULTS = "explicit_defaults"


def new_assistant(request: CreateAssistant, at: int) -> Assistant:
    """`at`: Unix seconds."""
    return Assistant.model_validate(
        {
            "id": request.id or new_id("asst_"),
            "object": "assistant",
            "created_at": at,
            "name": request.name,
            "description": request.description,
            "model": request.model,
            "instructions": request.instructions,
            "tools": kept_tools(request.tools),
            "top_p": _or(request.top_p, DEFAULTS["top_p"]),
            "temperature": _or(request.temperature, DEFAULTS["temperature"]),
            "reasoning_effort": request.reasoning_effort,
            "tool_resources": request.tool_resources.kept() if request.tool_resources else {},
            "metadata": request.metadata,
            "response_format": request.given().get("response_format", "auto"),
            **explicit_defaults(request, ()),
        }
    )


def add_assistant(connection: Connection, assistant: Assistant) -> None:
    """Raises InvalidRequest where an assistant with this id is there already."""
    if store.assistants.exists(connection, assistant.id):
        words = f"An assistant with id '{assistant.id}' already exists."
        raise InvalidRequest(words, param="id", code="already_exists")
    store.assistants.add(connection, assistant)


def modified_assistant(assistant: Assistant, request: ModifyAssistant) -> Assistant:
    """Only the given fields change; lists and maps are replaced whole, resources tool by tool."""
    given: dict[str, Any] = request.given()
    if request.tool_resources:
        before = assistant.tool_resources.to_dict() if assistant.tool_resources else {}
        given["tool_resources"] = {**before, **request.tool_resources.kept()}
    if "tools" in given:
        given["tools"] = kept_tools(request.tools)
    before = chosen_defaults(assistant)
    kept = Assistant.model_validate(
        {key: value for key, value in assistant.to_dict().items() if key != EXPLICIT_DEFAULTS}
    )
    return changed(kept, {**given, **explicit_defaults(request, before)})


def chosen_defaults(obj: Assistant | Run) -> Collection[str]:
    """Which of its fields somebody has chosen, although they are as the default is."""
    return getattr(obj, EXPLICIT_DEFAULTS, ())


def explicit_defaults(
    request: CreateAssistant | ModifyAssistant | RunSettings, before: Collection[str]
) -> dict[str, list[str]]:
    """The field that says so, or none. `before`: what holds where `request` says nothing."""
    found: list[str] = []
    for name, default in DEFAULTS.items():
        value = getattr(request, name)
        if value == default or (value is None and name in before):
            found.append(name)
    return {EXPLICIT_DEFAULTS: found} if found else {}


def kept_tools(tools: Iterable[AnyTool]) -> list[dict[str, Any]]:
    """The functions among them; the built-in tools are refused before (`api/not_yet.py`)."""
    return [tool.kept() for tool in tools if isinstance(tool, FunctionTool)]


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
