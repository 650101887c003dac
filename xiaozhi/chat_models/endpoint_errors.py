"""What an endpoint says where it does not answer: HTTP errors, and errors inside an answer. Pure.

{"error": {"message": …, "code": …}}     OpenAI and most
[{"error": {…}}]                         Gemini
{"object": "error", "message": …}        vLLM, Mistral
{"detail": [{"loc": […], "msg": …}]}     FastAPI
{"error_code": …, "error_msg": …}, {"base_resp": {"status_code": …, "status_msg": …}}, …
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from xiaozhi.chat_models import chat_model
from xiaozhi.chat_models.sight import says_it_cannot_see
from xiaozhi.errors import LastErrorCode, ModelFailed
from xiaozhi.surrogates import without_halves

LONGEST = 1_000  # characters of an endpoint's words that are kept
EXCERPT = 300  # characters of what was not understood

# OpenAI: context_length_exceeded; llama.cpp: exceed_context_size_error; Claude: "prompt is too
# long"; Bedrock: "Input is too long", "Input length … exceeds"; Gemini: "input token count …
# exceeds the maximum number of tokens"; DashScope: "Range of input length should be".
_NO_ROOM = re.compile(
    r"context[ _](length|size|window)"
    r"|(prompt|input|request|conversation) is too long"
    r"|(prompt|input)( token)?( length| count)\b.{0,80}\bexceeds?\b"
    r"|maximum (context|prompt|input)|exceeds? the (model's )?(context|max(imum)? number of tokens)"
    r"|range of input length|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE | re.DOTALL,
)
# OpenAI, Claude, Gemini, DashScope, Bedrock
_TOO_MANY = re.compile(
    r"^429$|rate[ _-]?limit|too[ _-]?many[ _-]?requests|resource[ _-]?exhausted|throttl"
    r"|insufficient[ _-]?quota",
    re.IGNORECASE,
)
_SAYS_TOO_MANY = re.compile(r"rate limit (reached|exceeded)|too many requests", re.IGNORECASE)
_BY_STATUS: Mapping[int, tuple[str, LastErrorCode]] = {
    401: (chat_model.KEY_REFUSED, "server_error"),
    403: (chat_model.KEY_REFUSED, "server_error"),
    404: (chat_model.UNKNOWN_MODEL, "server_error"),
    429: (chat_model.TOO_MANY, "rate_limit_exceeded"),
}
_CODES = ("code", "type", "status", "error_type", "error_code", "status_code", "errorCode")
_WORDS = ("message", "msg", "detail", "error_message", "error_msg", "errorMessage", "errmsg")
_MORE_WORDS = ("status_msg", "error", "errors", "base_resp", "reason", "description", "title")


def refusal(status: int, body: str) -> ModelFailed:
    """Contract 7.8: which HTTP status becomes which last_error."""
    found = _parsed(body)
    # A page of some proxy says nothing to anybody.
    plain = "" if "<" in body else without_halves(body.strip()[:EXCERPT])
    words = plain if found is None else words_of(found)
    if status in (400, 413, 422, 500) and _NO_ROOM.search(body) and not _is_rate_limit(found):
        return ModelFailed(chat_model.NO_ROOM, words, last_error="invalid_prompt", status=status)
    if says_it_cannot_see(words):
        return ModelFailed(chat_model.CANNOT_SEE, words, last_error="invalid_prompt", status=status)
    otherwise: tuple[str, LastErrorCode] = (
        (chat_model.FAILED, "server_error")
        if status >= 500
        else (chat_model.REFUSED, "invalid_prompt")
    )
    sentence, code = _BY_STATUS.get(status, otherwise)
    if _is_rate_limit(found):
        sentence, code = chat_model.TOO_MANY, "rate_limit_exceeded"
    return ModelFailed(sentence, words or f"HTTP {status}", last_error=code, status=status)


def error_in(found: Mapping[str, Any]) -> Any:
    """What `found`, a chunk or a whole answer, says of an error; None where there is none.

    Its field `error` alone is none as long as it is null: some send that with each chunk.
    """
    if (error := found.get("error")) and not _is_empty(error):
        return found if error is True or isinstance(error, str) else error
    if found.get("object") == "error":
        return found
    if found.get("choices"):
        return None
    base = found.get("base_resp")
    if isinstance(base, dict) and cast("dict[str, Any]", base).get("status_code"):
        return cast("dict[str, Any]", base)
    says = any(found.get(key) and isinstance(found[key], str | list) for key in _WORDS)
    return found if says or found.get("errors") or found.get("type") == "error" else None


def _is_empty(error: Any) -> bool:
    """Whether it is an object with nothing in it: {"code": null, "message": null}."""
    return isinstance(error, dict) and not any(cast("dict[str, Any]", error).values())


def failure(error: Any, reason: str) -> ModelFailed:
    """`error`: as `error_in` has found it, or plain text. `reason`: where it says no better one."""
    words = words_of(error)
    if _is_rate_limit(error) or _SAYS_TOO_MANY.search(words):
        return ModelFailed(chat_model.TOO_MANY, words, last_error="rate_limit_exceeded")
    if _NO_ROOM.search(words) or any(_NO_ROOM.search(code) for code in _codes(error)):
        return ModelFailed(chat_model.NO_ROOM, words, last_error="invalid_prompt")
    if says_it_cannot_see(words):
        return ModelFailed(chat_model.CANNOT_SEE, words, last_error="invalid_prompt")
    for code in _codes(error):
        if code in ("401", "403", "404"):
            return ModelFailed(_BY_STATUS[int(code)][0], words)
    return ModelFailed(reason, words)


def words_of(found: Any) -> str:
    """What an error of any shape says, for people."""
    return without_halves(_said(found, 4) or excerpt(found))[:LONGEST]


def excerpt(found: Any) -> str:
    """The beginning of what was not understood."""
    if isinstance(found, bytes):
        found = found.decode(errors="replace")
    if not isinstance(found, str):
        try:
            found = json.dumps(found, ensure_ascii=False)
        except RecursionError:
            found = "nested too deep to be shown"
    return without_halves(found[:EXCERPT])


def _said(found: Any, levels: int) -> str:
    if isinstance(found, str):
        return found.strip()
    if levels == 0:
        return ""
    if isinstance(found, list):
        entries = cast("list[Any]", found)[:10]
        return "; ".join(filter(None, (_said(entry, levels - 1) for entry in entries)))
    if not isinstance(found, dict):
        return ""
    entry = cast("dict[str, Any]", found)
    said = next(filter(None, (_said(entry.get(key), levels - 1) for key in _WORDS)), "")
    said = said or next(
        filter(None, (_said(entry.get(key), levels - 1) for key in _MORE_WORDS)), ""
    )
    place, metadata = entry.get("loc"), entry.get("metadata")
    if said and isinstance(place, list):
        return f"{'.'.join(map(str, cast('list[Any]', place)))}: {said}"
    if isinstance(metadata, dict) and (raw := cast("dict[str, Any]", metadata).get("raw")):
        # OpenRouter says "Provider returned error" itself; here stands what that one has said.
        return f"{said}: {_said(_parsed(raw) if isinstance(raw, str) else raw, 3) or excerpt(raw)}"
    return said


def _is_rate_limit(error: Any) -> bool:
    return any(_TOO_MANY.search(code) for code in _codes(error))


def _codes(error: Any, levels: int = 3) -> Iterator[str]:
    """The words for machines in it, and one that is all there is."""
    if levels == 0:
        return
    if isinstance(error, str):
        yield error
    if isinstance(error, list):
        entries: Sequence[Any] = cast("list[Any]", error)[:1]
        for entry in entries:
            yield from _codes(entry, levels - 1)
    if isinstance(error, dict):
        found = cast("dict[str, Any]", error)
        for key in _CODES:
            if isinstance(code := found.get(key), str | int):
                yield str(code)
        yield from _codes(found.get("error"), levels - 1)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
