"""The parts of a message's content, where an endpoint sends a list of them. Pure.

Mistral: [{"type": "thinking", "thinking": [{"type": "text", "text": "…"}]}, {"type": "text", …}]
"""

from collections.abc import Iterator
from typing import Any, Literal, cast

Kind = Literal["text", "reasoning", "refusal", "unknown"]

_THOUGHTS = ("thinking", "reasoning", "reasoning_content", "thought")
THOUGHTS_IN_PARTS = ("reasoning_details", "thinking_blocks", "thinking")
_DEEPEST = 8  # levels of parts within parts


def parts_of(content: Any) -> Iterator[tuple[Kind, Any]]:
    """(kind, words) of each part, in order; of one that is not understood, the part itself."""
    parts = cast("list[Any]", content) if isinstance(content, list) else [content]
    for part in parts:
        if isinstance(part, str):
            if part:
                yield "text", part
        elif isinstance(part, dict):
            yield _of(cast("dict[str, Any]", part))
        elif part is not None:
            yield "unknown", part


def thoughts_of(details: Any) -> str:
    """The words in a list of thoughts, or in one. "" where there are none."""
    if isinstance(details, str):
        return details
    parts = cast("list[Any]", details) if isinstance(details, list) else [details]
    return "".join(
        _words(
            [cast("dict[str, Any]", part).get(field) for field in ("thinking", "text", "summary")]
        )
        for part in parts
        if isinstance(part, dict)
    )


def _of(part: dict[str, Any]) -> tuple[Kind, Any]:
    kind = part.get("type")
    if kind in _THOUGHTS:
        words = _words([part.get(field) for field in (*_THOUGHTS, "text", "summary")])
        return ("reasoning", words) if words else ("unknown", part)
    if kind == "refusal":
        words = _words(part.get("refusal")) or _words(part.get("text"))
        return ("refusal", words) if words else ("unknown", part)
    if kind == "reference":
        ids = part.get("reference_ids")
        numbers = cast("list[Any]", ids) if isinstance(ids, list) else [ids]
        return "text", f"[{', '.join(map(str, numbers))}]"
    words = _words(part.get("text")) or _words(part.get("content"))
    # An empty text is understood, too.
    return ("text", words) if words or kind == "text" else ("unknown", part)


def _words(found: Any, level: int = 0) -> str:
    """The text in it: a string, {"value": "…"}, {"text": "…"}, or a list of such."""
    if isinstance(found, str):
        return found
    if level == _DEEPEST:
        return ""
    if isinstance(found, list):
        return "".join(_words(entry, level + 1) for entry in cast("list[Any]", found))
    if isinstance(found, dict):
        entry = cast("dict[str, Any]", found)
        return _words(entry.get("text"), level + 1) or _words(entry.get("value"), level + 1)
    return ""
