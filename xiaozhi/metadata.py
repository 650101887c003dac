"""The metadata of an object: its limits (contract 3.2), and a patch that changes single keys."""

from collections.abc import Mapping
from typing import Annotated, LiteralString

from pydantic import AfterValidator, ConfigDict, Field, RootModel, StringConstraints
from pydantic_core import PydanticCustomError

from xiaozhi.errors import InvalidRequest

KEYS = 16
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


def _checked(metadata: dict[str, str]) -> dict[str, str]:
    if exceeded := _too_large(metadata):
        code, words, values = exceeded
        raise PydanticCustomError(code, words, values)
    return metadata


Metadata = Annotated[
    dict[str, Value],
    AfterValidator(_checked),
    Field(json_schema_extra={"maxProperties": KEYS, "propertyNames": {"maxLength": KEY_LENGTH}}),
]


class MetadataPatch(RootModel[dict[str, Value | None]]):
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
