"""What JSON can write and nobody can keep: half characters, and objects that are too deep."""

from collections.abc import Iterable
from typing import Annotated, Any, cast

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError, PydanticSerializationError, to_json

# Any constraint makes pydantic look at the characters: without one, half a character (an unpaired
# surrogate) passes, and fails where it is written.
Text = Annotated[str, StringConstraints(min_length=0)]

DEEPEST = 100  # levels; pydantic writes 255, and the object lies inside others


def _can_be_kept(found: dict[str, Any]) -> dict[str, Any]:
    """What was parsed may still be too deep to be written, or hold half a character."""
    if is_deeper(found, DEEPEST):
        words = "it is nested more than {deepest} levels deep"
        raise PydanticCustomError("invalid_value", words, {"deepest": DEEPEST})
    try:
        to_json(found)
    except PydanticSerializationError as error:
        raise PydanticCustomError("invalid_value", "it holds half a character") from error
    return found


def is_deeper(found: Any, levels: int) -> bool:
    """Whether a JSON-like value is nested more than so many levels deep."""
    level: list[Any] = [found]
    for _ in range(levels):
        level = [inside for value in level for inside in _values(value)]
    return bool(level)


def _values(found: Any) -> Iterable[Any]:
    if isinstance(found, dict):
        return cast("dict[str, Any]", found).values()
    return cast("list[Any]", found) if isinstance(found, list) else ()


JsonObject = Annotated[dict[str, Any], AfterValidator(_can_be_kept)]
