"""The API described for programs, as OpenAPI 3.1: what FastAPI knows, and `reference.CALLS`.

The endpoints answer JSON that is ready already, so FastAPI knows nothing of their answers; their
schemas are made here from the SDK's types.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from xiaozhi.api.reference import CALLS, TAGS, Call, Error
from xiaozhi.requests import EXTENSION

SCHEMAS = "#/components/schemas/"
DESCRIPTION = (
    "OpenAI's Assistants API (v2), self-hosted. What OpenAI's does not have is marked with "
    "`x-xiaozhi-extension`."
)
BETA = {
    "name": "OpenAI-Beta",
    "in": "header",
    "required": True,
    "description": "The SDKs send it by themselves.",
    "schema": {"type": "string", "const": "assistants=v2", "default": "assistants=v2"},
}
# Two ways to bring the one key: OpenAI's, and Azure's
KEYS = {
    "key": {"type": "http", "scheme": "bearer"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
}
# OpenAPI 3.1 has no words for a stream: the schema is that of one event, as in OpenAI's document.
EVENT = {
    "type": "object",
    "description": "One server-sent event.",
    "properties": {name: {"type": "string"} for name in ("event", "data", "id")},
    "required": ["data"],
}
FAILS = {
    400: "The request cannot be taken as it is.",
    401: "There is no key, or a wrong one.",
}
NOT_FOUND = {404: "There is no such object here."}

Document = dict[str, Any]


def openapi(app: FastAPI) -> Document:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": words} for name, words in TAGS.items()],
        servers=[{"url": "/v1"}],
    )
    answers, answer_schemas = _answers(CALLS.values())
    sent: Document = document["components"]["schemas"]
    # FastAPI's own errors, which never leave this server
    del sent["HTTPValidationError"], sent["ValidationError"]
    both = {name: f"{name}Param" for name in sent if name in answer_schemas}
    document = _renamed(document, both)
    sent = document["components"]["schemas"]
    document["components"] = {
        "schemas": {both.get(name, name): schema for name, schema in sent.items()} | answer_schemas,
        "securitySchemes": KEYS,
        "parameters": {"beta": BETA},
    }
    document["security"] = [{name: []} for name in KEYS]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe(operation, f"{method.upper()} {path}", answers)
    return document


def _describe(operation: Document, route: str, answers: Mapping[Any, Document]) -> None:
    """`answers`: the schema of each type of an answer."""
    call = CALLS[route]
    operation["operationId"], operation["summary"] = call.name, call.summary
    operation.pop("description", None)
    if call.description:
        operation["description"] = call.description.strip()
    if call.extension:
        operation |= EXTENSION
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["description"] = f"The {parameter['name'].removesuffix('_id')}'s id."
    if re.match(r"\w+ /(assistants|threads)", route):
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/beta"})
    if call.example:
        operation["requestBody"]["content"]["application/json"]["example"] = call.example
    fails = {**FAILS, **(NOT_FOUND if "{" in route else {}), **call.fails}
    refused = {"application/json": {"schema": answers[Error]}}
    operation["responses"] = {
        "200": {"description": "OK", "content": _content(call, answers)},
        **{
            str(status): {"description": words, "content": refused}
            for status, words in fails.items()
        },
        "default": {"description": "Anything else that goes wrong.", "content": refused},
    }


def _content(call: Call, answers: Mapping[Any, Document]) -> Document:
    content: Document = {}
    if call.answers:
        content["application/json"] = {"schema": answers[call.answers]}
    if call.streams:
        content["text/event-stream"] = {
            "schema": EVENT,
            "x-event-schema": answers[call.streams],
        }
    return content


def _answers(calls: Iterable[Call]) -> tuple[dict[Any, Document], Document]:
    """The schema of each type (most are references), and what they refer to."""
    wanted = [type_ for call in calls for type_ in (call.answers, call.streams) if type_]
    found, definitions = TypeAdapter[Any].json_schemas(
        [
            (type_, "serialization", TypeAdapter[Any](type_))
            for type_ in dict.fromkeys([*wanted, Error])
        ],
        ref_template=SCHEMAS + "{model}",
    )
    schemas: Document = definitions["$defs"]
    short = {name: _short(name) for name in schemas}
    answers = {type_: _renamed(schema, short) for (type_, _), schema in found.items()}
    return answers, {short[name]: _renamed(schema, short) for name, schema in schemas.items()}


def _short(name: str) -> str:
    """`openai__types__beta__thread__ToolResources` becomes ThreadToolResources."""
    *_, module, own = ["", *name.split("__")] if "__" in name else ["", name]
    return (module.title() + own).replace("_", "")


def _renamed(found: Any, names: Mapping[str, str]) -> Any:
    """With references to schemas under their new `names`."""
    if isinstance(found, dict):
        entries = cast("dict[str, Any]", found)
        return {key: _renamed(value, names) for key, value in entries.items()}
    if isinstance(found, list):
        return [_renamed(value, names) for value in cast("list[Any]", found)]
    if isinstance(found, str) and found.startswith(SCHEMAS):
        name = found.removeprefix(SCHEMAS)
        return SCHEMAS + names.get(name, name)
    return found
