"""The metadata of an object: its limits (contract 3.2), and a patch that changes single keys."""

from collections.abc import Callable, Mapping
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


Exceeded = tuple[LiteralString, LiteralString, dict[str, int]]


def _too_many(metadata: Mapping[str, object], most: int) -> Exceeded | None:
    """Where there are: the API's code, its words, and the values in them."""
    if len(metadata) <= most:
        return None
    return "object_above_max_properties", _TOO_MANY, {"most": most, "got": len(metadata)}


def _too_large(metadata: Mapping[str, object]) -> Exceeded | None:
    """The limit that `metadata` exceeds, as `_too_many`."""
    if exceeded := _too_many(metadata, KEYS):
        return exceeded
    for key in metadata:
        if len(key) > KEY_LENGTH:
            values = {"most": KEY_LENGTH, "got": len(key)}
            return "property_name_above_max_length", _TOO_LONG, values
    return None


def _bounded(exceeds: Callable[[Mapping[str, object]], Exceeded | None]) -> BeforeValidator:
    """Before the values are looked at: each of a million could be wrong."""

    def checked(found: Any) -> Any:
        if found == []:
            return {}  # how PHP writes an empty array
        if isinstance(found, dict) and (exceeded := exceeds(cast("dict[str, object]", found))):
            code, words, values = exceeded
            raise PydanticCustomError(code, words, values)
        return cast("Any", found)

    return BeforeValidator(checked)


Metadata = Annotated[
    dict[Text, Value],
    _bounded(_too_large),
    Field(json_schema_extra={"maxProperties": KEYS, "propertyNames": {"maxLength": KEY_LENGTH}}),
]


Patch = Annotated[dict[Text, Value | None], _bounded(lambda metadata: _too_many(metadata, PATCHED))]


class MetadataPatch(RootModel[Patch]):
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
