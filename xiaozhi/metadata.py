"""The metadata of an object: its limits (contract 3.2), and a patch that changes single keys."""

from collections.abc import Mapping
from typing import Annotated, Any, LiteralString, cast

from pydantic import BeforeValidator, ConfigDict, Field, RootModel, StringConstraints
from pydantic_core import PydanticCustomError

from xiaozhi.errors import InvalidRequest
from xiaozhi.json_objects import Text

KEYS = 16
PATCHED = 64  # keys that a patch may name: some are removed
KEY_LENGTH = 64  # characters
VALUE_LENGTH = 512  # characters

_TOO_MANY = (
    "too many properties. Expected an object with at most {most} properties, "
    "but got an object with {got} properties instead."
)
_TOO_LONG = (
    "property name too long. Expected a property name with maximum length {most}, "
    "but got a name with length {got} instead."
)

Value = Annotated[str, StringConstraints(max_length=VALUE_LENGTH)]


def _too_large(
    metadata: Mapping[str, object],
) -> tuple[LiteralString, LiteralString, dict[str, int]] | None:
    """The limit that `metadata` exceeds: the API's code, its words, and the values in them."""
    if len(metadata) > KEYS:
        values = {"most": KEYS, "got": len(metadata)}
        return "object_above_max_properties", _TOO_MANY, values
    for key in metadata:
        if len(key) > KEY_LENGTH:
            values = {"most": KEY_LENGTH, "got": len(key)}
            return "property_name_above_max_length", _TOO_LONG, values
    return None


def _checked(found: Any) -> Any:
    """Before the values are looked at: each of a million could be wrong."""
    if found == []:
        return {}  # how PHP writes an empty array
    metadata = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    if exceeded := _too_large(metadata):
        code, words, values = exceeded
        raise PydanticCustomError(code, words, values)
    return cast("Any", found)


def _short_patch(found: Any) -> Any:
    if found == []:
        return {}
    named = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    if len(named) > PATCHED:
        values = {"most": PATCHED, "got": len(named)}
        raise PydanticCustomError("object_above_max_properties", _TOO_MANY, values)
    return cast("Any", found)


Metadata = Annotated[
    dict[Text, Value],
    BeforeValidator(_checked),
    Field(json_schema_extra={"maxProperties": KEYS, "propertyNames": {"maxLength": KEY_LENGTH}}),
]


class MetadataPatch(RootModel[Annotated[dict[Text, Value | None], BeforeValidator(_short_patch)]]):
    """Keys with their new values; null removes a key, and what is not named stays."""

    model_config = ConfigDict(strict=True)

    def applied_to(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """A JSON merge patch (RFC 7396). Raises InvalidRequest where the result is too large."""
        merged = {**metadata, **self.root}
        result = {key: value for key, value in merged.items() if value is not None}
        if exceeded := _too_large(result):
            code, words, values = exceeded
            message = f"Invalid 'metadata': {words.format(**values)}"
            raise InvalidRequest(message, param="metadata", code=code)
        return result
