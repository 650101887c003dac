"""What all request bodies have in common: unknown keys are refused, null means "not given"."""

from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, model_validator

MOST_KEYS = 64  # more than any request class has


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    KEEPS_NULL: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def null_means_not_given(cls, found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        body = cast("dict[str, Any]", found)
        if len(body) > MOST_KEYS and cls.model_config.get("extra") == "forbid":
            body = _without_most_unknown_keys(body, cls)
        return {
            key: value
            for key, value in body.items()
            if value is not None or key not in cls.model_fields or key in cls.KEEPS_NULL
        }

    def given(self) -> dict[str, Any]:
        """The fields that the client sent, as JSON-like values."""
        return self.model_dump(exclude_unset=True, by_alias=True)


def _without_most_unknown_keys(body: dict[str, Any], cls: type[Body]) -> dict[str, Any]:
    """With the first unknown key alone, which is refused: each one would cost an error."""
    known = {field.alias or name for name, field in cls.model_fields.items()}
    unknown = next(key for key in body if key not in known)
    return {key: value for key, value in body.items() if key in known or key == unknown}
