"""About how many tokens something is, rather too many than too few. Pure.

An estimate: the models behind an address have tokenizers of their own.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from openai.types.beta.threads import Message, MessageContent

AROUND_A_MESSAGE = 8  # tokens of a chat template
IMAGE = 1_000  # tokens
# Chinese, Japanese, Korean: at most about one token a character; else about three characters a
# token.
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]+")


def of_text(text: str) -> int:
    # Whether it is ASCII, the string itself knows.
    wide = 0 if text.isascii() else sum(map(len, _WIDE.findall(text)))
    return wide + (len(text) - wide) // 3 + 1


def of_message(message: Message) -> int:
    return AROUND_A_MESSAGE + sum(map(_of_part, message.content))


def _of_part(part: MessageContent) -> int:
    if part.type == "text":
        return of_text(part.text.value)
    return of_text(part.refusal) if part.type == "refusal" else IMAGE


def of_content(content: str | Sequence[Mapping[str, Any]]) -> int:
    """`content`: of a chat message, words or parts."""
    if isinstance(content, str):
        return of_text(content)
    return sum(of_text(part["text"]) if part["type"] == "text" else IMAGE for part in content)
