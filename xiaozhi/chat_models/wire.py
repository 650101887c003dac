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
from xiaozhi.chat_models.chat_model import CallPiece, Piece
from xiaozhi.chat_models.sight import says_it_cannot_see
from xiaozhi.errors import LastErrorCode, ModelFailed

Object = Mapping[str, Any]

# DeepSeek, Qwen, older vLLM; OpenRouter, Ollama, newer vLLM. Some send both, with the same words.
REASONING_FIELDS = ("reasoning_content", "reasoning")

# llama.cpp: exceed_context_size_error; OpenAI: context_length_exceeded; vLLM says it in words.
_NO_ROOM = re.compile(r"context[ _](length|size|window)", re.IGNORECASE)
_BY_STATUS: Mapping[int, tuple[str, LastErrorCode]] = {
    401: (chat_model.KEY_REFUSED, "server_error"),
    403: (chat_model.KEY_REFUSED, "server_error"),
    404: (chat_model.UNKNOWN_MODEL, "server_error"),
    429: (chat_model.TOO_MANY, "rate_limit_exceeded"),
}


class CallNumbers:
    """Numbers the function calls of one answer from 0 on; servers do so each in its own way.

    OpenAI's: each chunk says the `index`, the first one the id and the name too. Others leave the
    index out, give each call the same one (an older Ollama), or repeat id and name in each chunk.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._by_index: dict[int, int] = {}
        self._count = 0

    def piece(self, entry: Object) -> CallPiece:
        """`entry`: of `tool_calls`, in a chunk or in a whole answer."""
        function = as_object(entry.get("function"))
        id, index, name = entry.get("id"), entry.get("index"), function.get("name")
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        known = self._by_id.get(id) if id else None
        if known is None and not (name and id):
            known = self._by_index.get(index) if isinstance(index, int) else self._last(name)
        number = self._count if known is None else known
        if known is None:
            self._count += 1
        if id:
            self._by_id[id] = number
        if isinstance(index, int):
            self._by_index[index] = number
        return CallPiece(number, str(name or "") if known is None else None, arguments)

    def _last(self, name: str | None) -> int | None:
        return None if name or not self._count else self._count - 1


def take(data: bytes, piece: Piece, numbers: CallNumbers) -> bool:
    """Add one event of a stream to what this read brought; True for the last one.

    `numbers`: of the answer that the event belongs to. Raises ModelFailed.
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
        _said(as_object(choice.get("delta")), piece, numbers)
        piece.finish_reason = choice.get("finish_reason") or piece.finish_reason
    if chunk.get("usage"):
        piece.usage = _usage(chunk["usage"])
    return False


def whole(completion: Any) -> Piece:
    """An answer in one piece, from a server that does not stream. Raises ModelFailed."""
    found = as_object(completion)
    for choice in as_objects(found.get("choices")):
        piece = Piece(
            finish_reason=choice.get("finish_reason") or "stop", usage=_usage(found.get("usage"))
        )
        _said(as_object(choice.get("message")), piece, CallNumbers())
        return piece
    raise ModelFailed(chat_model.FAILED, "it sent no answer")


def _said(delta: Object, piece: Piece, numbers: CallNumbers) -> None:
    content, refusal = delta.get("content"), delta.get("refusal")
    calls = as_objects(delta.get("tool_calls"))
    thought = _thought(delta, piece)
    piece.text += content if isinstance(content, str) else ""
    piece.refusal += refusal if isinstance(refusal, str) else ""
    piece.calls += [numbers.piece(entry) for entry in calls]
    piece.count += 1 if content or refusal or calls or thought else 0


def _thought(delta: Object, piece: Piece) -> bool:
    """Whether `delta` brings some of what the model thinks; that is added to `piece`."""
    for field in REASONING_FIELDS:
        words = delta.get(field)
        if words and isinstance(words, str):
            piece.reasoning += words
            piece.reasoning_field = field
            return True
    return False


def models(found: Any) -> list[Object]:
    """The entries of a list of models that have an id."""
    data = as_object(found).get("data") if isinstance(found, dict) else found
    return [entry for entry in as_objects(data) if entry.get("id")]


def window(entry: Object) -> int | None:
    """A model's context in tokens; llama.cpp, vLLM and OpenRouter say it, each in its own words."""
    meta = as_object(entry.get("meta"))
    found = meta.get("n_ctx") or entry.get("max_model_len") or entry.get("context_length")
    return found if isinstance(found, int) else None


def input_modalities(entry: Object) -> list[str]:
    """What a model takes, as in "text" and "image", where its server says so; OpenRouter does."""
    found = as_object(entry.get("architecture")).get("input_modalities")
    found = entry.get("input_modalities") or found
    kinds = cast("list[Any]", found) if isinstance(found, list) else []
    return [kind for kind in kinds if isinstance(kind, str)]


def refusal(status: int, body: str) -> ModelFailed:
    """Contract 7.8: which HTTP status becomes which last_error."""
    words = _words(body)
    if status in (400, 413) and _NO_ROOM.search(body):
        return ModelFailed(chat_model.NO_ROOM, words, last_error="invalid_prompt", status=status)
    if says_it_cannot_see(words):
        return ModelFailed(chat_model.CANNOT_SEE, words, last_error="invalid_prompt", status=status)
    otherwise: tuple[str, LastErrorCode] = (
        (chat_model.FAILED, "server_error")
        if status >= 500
        else (chat_model.REFUSED, "invalid_prompt")
    )
    sentence, code = _BY_STATUS.get(status, otherwise)
    return ModelFailed(sentence, words or f"HTTP {status}", last_error=code, status=status)


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
