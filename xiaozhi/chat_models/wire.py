"""What endpoints of chat completions send: pieces of an answer, lists of models, errors. Pure.

Tolerant where servers differ: OpenAI, DeepSeek, Ollama, vLLM and llama.cpp were looked at.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from openai.types import CompletionUsage
from pydantic import ValidationError

from xiaozhi.chat_models import chat_model
from xiaozhi.chat_models.chat_model import Piece
from xiaozhi.errors import LastErrorCode, ModelFailed

Object = Mapping[str, Any]

# llama.cpp: exceed_context_size_error; OpenAI: context_length_exceeded; vLLM says it in words.
_NO_ROOM = re.compile(r"context[ _](length|size|window)", re.IGNORECASE)
_BY_STATUS: Mapping[int, tuple[str, LastErrorCode]] = {
    401: (chat_model.KEY_REFUSED, "server_error"),
    403: (chat_model.KEY_REFUSED, "server_error"),
    404: (chat_model.UNKNOWN_MODEL, "server_error"),
    429: (chat_model.TOO_MANY, "rate_limit_exceeded"),
}


def take(data: bytes, piece: Piece) -> bool:
    """Add one event of a stream to what this read brought; True for the last one.

    Raises ModelFailed.
    """
    if data == b"[DONE]":
        return True
    try:
        chunk = as_object(json.loads(data))
    except ValueError as error:
        raise ModelFailed(chat_model.FAILED, "it sent something that is not JSON") from error
    if "error" in chunk:
        raise _failed_in_stream(chunk["error"])
    for choice in as_objects(chunk.get("choices")):
        piece.text += as_object(choice.get("delta")).get("content") or ""
        piece.finish_reason = choice.get("finish_reason") or piece.finish_reason
    if chunk.get("usage"):
        piece.usage = _usage(chunk["usage"])
    return False


def whole(completion: Any) -> Piece:
    """An answer in one piece, from a server that does not stream. Raises ModelFailed."""
    found = as_object(completion)
    for choice in as_objects(found.get("choices")):
        return Piece(
            text=as_object(choice.get("message")).get("content") or "",
            finish_reason=choice.get("finish_reason") or "stop",
            usage=_usage(found.get("usage")),
        )
    raise ModelFailed(chat_model.FAILED, "it sent no answer")


def models(found: Any) -> list[Object]:
    """The entries of a list of models that have an id."""
    data = as_object(found).get("data") if isinstance(found, dict) else found
    return [entry for entry in as_objects(data) if entry.get("id")]


def window(entry: Object) -> int | None:
    """A model's context in tokens; llama.cpp, vLLM and OpenRouter say it, each in its own words."""
    meta = as_object(entry.get("meta"))
    found = meta.get("n_ctx") or entry.get("max_model_len") or entry.get("context_length")
    return found if isinstance(found, int) else None


def refusal(status: int, body: str) -> ModelFailed:
    """Contract 7.8: which HTTP status becomes which last_error."""
    words = _words(body)
    if status in (400, 413) and _NO_ROOM.search(body):
        return ModelFailed(chat_model.NO_ROOM, words, last_error="invalid_prompt")
    otherwise: tuple[str, LastErrorCode] = (
        (chat_model.FAILED, "server_error")
        if status >= 500
        else (chat_model.REFUSED, "invalid_prompt")
    )
    sentence, code = _BY_STATUS.get(status, otherwise)
    return ModelFailed(sentence, words or f"HTTP {status}", last_error=code)


def as_object(found: Any) -> dict[str, Any]:
    """`found` if it is an object, else an empty one."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def as_objects(found: Any) -> list[dict[str, Any]]:
    entries = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]


def _failed_in_stream(error: Any) -> ModelFailed:
    words = _words(json.dumps({"error": error}))
    if as_object(error).get("code") in (429, "rate_limit_exceeded"):
        return ModelFailed(chat_model.TOO_MANY, words, last_error="rate_limit_exceeded")
    return ModelFailed(chat_model.BROKE_OFF, words)


def _usage(found: Any) -> CompletionUsage | None:
    try:
        return CompletionUsage.model_validate(found)
    except ValidationError:
        return None


def _words(body: str) -> str:
    """What the provider says, out of an error body of any shape."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        # A page of some proxy says nothing to anybody.
        return "" if "<" in body else body.strip()[:300]
    for inside in as_objects(found)[:1]:
        found = inside
    if isinstance(found, dict):
        found = as_object(found).get("error", found)
    if isinstance(found, dict):
        found = as_object(found).get("message") or as_object(found).get("detail") or ""
    return str(found)[:1000]
