"""Assistants: how a request becomes an object."""

from collections.abc import Iterable
from typing import Any

from openai.types.beta import Assistant

from xiaozhi import store
from xiaozhi.errors import InvalidRequest
from xiaozhi.ids import new_id
from xiaozhi.requests import AnyTool, CreateAssistant, FunctionTool, ModifyAssistant
from xiaozhi.store import Connection, changed


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
            "top_p": 1.0 if request.top_p is None else request.top_p,
            "temperature": 1.0 if request.temperature is None else request.temperature,
            "reasoning_effort": request.reasoning_effort,
            "tool_resources": {},
            "metadata": request.metadata,
            "response_format": request.given().get("response_format", "auto"),
        }
    )


def add_assistant(connection: Connection, assistant: Assistant) -> None:
    """Raises InvalidRequest where an assistant with this id is there already."""
    if store.assistants.exists(connection, assistant.id):
        words = f"An assistant with id '{assistant.id}' already exists."
        raise InvalidRequest(words, param="id", code="already_exists")
    store.assistants.add(connection, assistant)


def modified_assistant(assistant: Assistant, request: ModifyAssistant) -> Assistant:
    """Only the given fields change; lists and maps are replaced whole."""
    given: dict[str, Any] = request.given()
    given.pop("tool_resources", None)
    if "tools" in given:
        given["tools"] = kept_tools(request.tools)
    return changed(assistant, given)


def kept_tools(tools: Iterable[AnyTool]) -> list[dict[str, Any]]:
    """The functions among them; the built-in tools are refused before (`api/not_yet.py`)."""
    return [tool.kept() for tool in tools if isinstance(tool, FunctionTool)]
