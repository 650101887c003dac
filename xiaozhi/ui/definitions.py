"""Functions and answer schemas as a person types them, and what the API takes. Draws nothing.

What is typed may be what OpenAI's pages show in any of its forms: a function's definition or a
tool around it, one of them or a list.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from xiaozhi.ui.texts import _
from xiaozhi.ui.typed_json import Place, Typed, Wrong, read, written

MOST_FUNCTIONS = 128  # tools of an assistant
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

# A field, what it may be, and how that is called
_FUNCTION: dict[str, type] = {"name": str, "description": str, "parameters": dict, "strict": bool}
_FORMAT: dict[str, type] = {"name": str, "description": str, "schema": dict, "strict": bool}


def functions(text: str) -> list[dict[str, Any]]:
    """Definitions, as the API has them inside its tools. Raises Wrong."""
    if not text.strip():
        return []
    typed = read(text)
    if isinstance(typed.value, list):
        members = cast("list[Any]", typed.value)
        places: list[Place] = [(number,) for number in range(len(members))]
    else:
        members, places = [typed.value], [()]
    if len(members) > MOST_FUNCTIONS:
        words = _("There are more than {count} functions.", count=MOST_FUNCTIONS)
        raise typed.wrong((), words)
    found: list[dict[str, Any]] = []
    for member, place in zip(members, places, strict=True):
        function = _fields(typed, *_unpacked(member, place, "function"), _FUNCTION)
        if any(function["name"] == other["name"] for other in found):
            words = _("There are two functions of the name {name}.", name=function["name"])
            raise typed.wrong(place, words)
        found.append(function)
    return found


def answer_format(text: str) -> dict[str, Any]:
    """A schema with its name, as the API has it under `json_schema`. Raises Wrong."""
    if not text.strip():
        raise Wrong(1, _("The schema is missing."))
    typed = read(text)
    return _fields(typed, *_unpacked(typed.value, (), "json_schema"), _FORMAT)


def as_typed(definitions: Iterable[Mapping[str, Any]]) -> str:
    """What `functions` reads; "" for none."""
    found = [_given(definition) for definition in definitions]
    return written(found) if found else ""


def _unpacked(member: Any, place: Place, kind: str) -> tuple[Any, Place]:
    """The definition in a tool or a format of the type `kind`, and its place."""
    if not isinstance(member, dict):
        return member, place
    fields = cast("dict[str, Any]", member)
    if fields.get("type") != kind:
        return fields, place
    if kind in fields:
        return fields[kind], (*place, kind)
    return {key: value for key, value in fields.items() if key != "type"}, place


def _fields(typed: Typed, member: Any, place: Place, known: Mapping[str, type]) -> dict[str, Any]:
    """`member` as far as it says something; each of its fields is one of `known`."""
    if not isinstance(member, dict):
        raise typed.wrong(place, _("An object in curly brackets is expected here."))
    fields = cast("dict[str, Any]", member)
    for key, value in fields.items():
        if key not in known:
            there = ", ".join(known)
            words = _("{key} is not known here. There are: {fields}.", key=key, fields=there)
            raise typed.wrong((*place, key), words)
        # `type` and not `isinstance`: only true and false are booleans, and no number is one.
        if value is not None and type(value) is not known[key]:
            words = _("{key} must be {kind}.", key=key, kind=_kind(known[key]))
            raise typed.wrong((*place, key), words)
    name = fields.get("name")
    if name is None:
        raise typed.wrong(place, _("A name is missing: write name, and what it is called."))
    if not _NAME.fullmatch(name):
        words = _(
            "{name} cannot be a name: a name has English letters, digits, _ and -, at most 64.",
            name=name or '""',
        )
        raise typed.wrong((*place, "name"), words)
    return _given(fields)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _kind(type_: type) -> str:
    return {
        str: _("a text in double quotes"),
        dict: _("an object in curly brackets"),
        bool: _("true or false"),
    }[type_]
