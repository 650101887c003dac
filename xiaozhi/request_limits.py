"""How many items a list in a request may hold (contract 4 to 7).

A list ends at its first wrong item (`fail_fast`), and an object at its first unknown key
(`requests.Body`): a request that is wrong in a million places costs one error.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

# Of one request; the next request may bring more. Each costs the database's one writer 0.3 ms.
# OpenAI's service took 32, but its reference names no limit.
MESSAGES = 1_000
# Characters of what is said in one request: eight of the longest messages. To make 256,000 of them
# searchable keeps the writer from others for 0.1 s (English) to 0.4 s (Chinese).
TEXTS = 8 * 256_000
MOVED_MESSAGES = 10_000  # of an exchange: ids of messages that are there already
PATCHED_MESSAGES = 100  # of an exchange: whose metadata it changes
PARTS = 500  # of a message's content; OpenAI's models take 500 pictures a request
ATTACHMENTS = 500
ATTACHMENT_TOOLS = 16  # there are two kinds
TOOL_OUTPUTS = 10_000  # one for each call of a turn, of which a model makes as many as it likes

Items = TypeVar("Items", bound=Sequence[Any])


def short_enough(items: Items) -> Items:
    """`items`: messages or parts. Raises PydanticCustomError where there is too much text."""
    length = sum(map(_length, items))
    if length > TEXTS:
        raise PydanticCustomError(
            "string_above_max_length",
            "texts too long. Expected texts with a total length of at most {most}, "
            "but got a total length of {length} instead.",
            {"most": TEXTS, "length": length},
        )
    return items


def _length(item: Any) -> int:
    """Characters of a message or a part."""
    said: str | Iterable[Any] = getattr(item, "content", None) or getattr(item, "text", "")
    return len(said) if isinstance(said, str) else sum(map(_length, said))
