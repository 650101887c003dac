"""What is the same for all bodies of requests (`requests.py`).

Everything is strict (no "0.5" for 0.5) and closed (unknown keys are refused). Some values that
programs send mean "not given": `null`, except for the fields that a class names in `KEEPS_NULL`,
and "" for those in `EMPTY_IS_NOT_GIVEN`. `[]`, as PHP writes an empty array, stands for `{}` where
no field is required.
"""

from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, model_validator

MOST_KEYS = 64  # more than any body has


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    KEEPS_NULL: ClassVar[frozenset[str]] = frozenset()
    EMPTY_IS_NOT_GIVEN: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def null_means_not_given(cls, found: Any) -> Any:
        if found == [] and not any(field.is_required() for field in cls.model_fields.values()):
            return cast("dict[str, Any]", {})
        if not isinstance(found, dict):
            return found
        body = cast("dict[str, Any]", found)
        if len(body) > MOST_KEYS and cls.model_config.get("extra") == "forbid":
            body = _without_most_unknown_keys(body, cls)
        return {key: value for key, value in body.items() if not cls._is_not_given(key, value)}

    @classmethod
    def _is_not_given(cls, key: str, value: object) -> bool:
        if value is None:
            return key in cls.model_fields and key not in cls.KEEPS_NULL
        return value == "" and key in cls.EMPTY_IS_NOT_GIVEN

    def given(self) -> dict[str, Any]:
        """The fields that the client sent, as JSON-like values."""
        return self.model_dump(exclude_unset=True, by_alias=True)


def _without_most_unknown_keys(body: dict[str, Any], cls: type[Body]) -> dict[str, Any]:
    """With the first unknown key alone, which is refused: each one would cost an error."""
    known = {field.alias or name for name, field in cls.model_fields.items()}
    unknown = next(key for key in body if key not in known)
    return {key: value for key, value in body.items() if key in known or key == unknown}
