"""Pictures and models that cannot see them. Pure.

A question with a picture is refused clearly. A picture further up in a conversation, which a model
that sees was asked about, is left out instead: such a conversation can go on with any model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xiaozhi.chat_models import chat_model
from xiaozhi.chat_models.chat_model import ChatRequest
from xiaozhi.errors import ModelFailed

WORDS_ONLY = ["text"]  # the `input_modalities` of a model that cannot see
LEFT_OUT = "(A picture was here, which you cannot see.)"

# How endpoints say it. llama.cpp: "image input is not supported - hint: …"; OpenAI: "image_url is
# only supported by certain models"; DeepSeek: "unknown variant `image_url`, expected `text`"; vLLM:
# "… is not a multimodal model", "At most 0 image(s) may be provided"; OpenRouter: "No endpoints
# found that support image input"; Ollama: "this model is missing data required for image input".
_CANNOT_SEE = re.compile(
    r"image(_url|s| inputs?)?[\"'`]? (is|are) (not|only) supported"
    r"|not support (images?|image inputs?|image_url|vision)\b"
    r"|unknown variant [\"'`]*image_url"
    r"|not a multimodal model"
    r"|at most 0 image"
    r"|no endpoints found that support image"
    r"|missing data required for image",
    re.IGNORECASE,
)


def says_it_cannot_see(words: str) -> bool:
    """Whether the body of an endpoint's refusal means that."""
    return bool(_CANNOT_SEE.search(words))


def asks_with_picture(request: ChatRequest) -> bool:
    """Whether the last question has one."""
    asked = [message for message in request.messages if message["role"] == "user"]
    return bool(asked) and _has_picture(asked[-1])


def without_pictures(request: ChatRequest) -> ChatRequest:
    """For a model that cannot see them. Raises ModelFailed where the last question has one."""
    if asks_with_picture(request):
        raise ModelFailed(chat_model.CANNOT_SEE, last_error="invalid_prompt")
    return replace(request, messages=[_in_words(message) for message in request.messages])


def _has_picture(message: Mapping[str, Any]) -> bool:
    parts: str | Sequence[Mapping[str, Any]] = message["content"]
    return not isinstance(parts, str) and any(part["type"] == "image_url" for part in parts)


def _in_words(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _has_picture(message):
        return message
    words = [part.get("text", LEFT_OUT) for part in message["content"]]
    return {**message, "content": "\n".join(words)}
