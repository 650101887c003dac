"""An assistant as somebody edits it, and what of that the server has to be told. Pure.

Only what was changed is told: what this page does not know of an assistant, and what another
client has changed meanwhile, stays as it is.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

from openai.types.beta import Assistant

from xiaozhi.ui import definitions
from xiaozhi.ui.typed_json import written

Format = Literal["text", "json_object", "json_schema"]


@dataclass
class Draft:
    """`schema`, `functions`: JSON as it was typed."""

    name: str = ""
    description: str = ""
    instructions: str = ""
    model: str = "default"
    temperature: float = 1.0
    top_p: float = 1.0
    format: Format = "text"
    schema: str = ""
    functions: str = ""


def draft_of(assistant: Assistant) -> Draft:
    format = _format(assistant)
    return Draft(
        name=assistant.name or "",
        description=assistant.description or "",
        instructions=assistant.instructions or "",
        model=assistant.model,
        temperature=1.0 if assistant.temperature is None else assistant.temperature,
        top_p=1.0 if assistant.top_p is None else assistant.top_p,
        format=cast("Format", format["type"]),
        schema=written(format["json_schema"]) if "json_schema" in format else "",
        functions=definitions.as_typed(
            tool.function.to_dict() for tool in assistant.tools if tool.type == "function"
        ),
    )


def creation(draft: Draft) -> dict[str, Any]:
    """What a new assistant is made of. Raises typed_json.Wrong."""
    return {"model": draft.model, **_differences(Draft(), draft, [])}


def changes(assistant: Assistant, draft: Draft) -> dict[str, Any]:
    """What to change of `assistant`, as it was when the editing began. Raises typed_json.Wrong."""
    others = [tool.to_dict() for tool in assistant.tools if tool.type != "function"]
    return _differences(draft_of(assistant), draft, others)


def _differences(before: Draft, draft: Draft, others: list[dict[str, Any]]) -> dict[str, Any]:
    """`others`: the tools that are no functions, which stay."""
    plain = ("name", "description", "instructions", "model", "temperature", "top_p")
    found: dict[str, Any] = {
        name: getattr(draft, name)
        for name in plain
        if getattr(draft, name) != getattr(before, name)
    }
    if draft.functions != before.functions:
        functions = definitions.functions(draft.functions)
        found["tools"] = others + [{"type": "function", "function": each} for each in functions]
    if draft.format == "json_schema":
        if (draft.format, draft.schema) != (before.format, before.schema):
            schema = definitions.answer_format(draft.schema)
            found["response_format"] = {"type": draft.format, "json_schema": schema}
    elif draft.format != before.format:
        found["response_format"] = {"type": draft.format}
    return found


def _format(assistant: Assistant) -> dict[str, Any]:
    """What is not said is text."""
    format = assistant.response_format
    return {"type": "text"} if format is None or isinstance(format, str) else format.to_dict()
