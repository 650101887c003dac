"""What endpoints of chat completions send: the chunks of an answer, and lists of models. Pure.

What servers do differently, each with its test: docs/endpoints.md. The rule: whatever holds words
or calls is understood, or fails the answer with what came; nothing is dropped without a word.
"""

import json
from collections.abc import Collection, Mapping, Set
from typing import Any, cast

from pydantic_core import from_json

from xiaozhi.chat_models import chat_model, known_fields
from xiaozhi.chat_models.call_pieces import CallPieces, UnnamedCall
from xiaozhi.chat_models.chat_model import Piece, TokenCount
from xiaozhi.chat_models.content_parts import THOUGHTS_IN_PARTS, parts_of, thoughts_of
from xiaozhi.chat_models.endpoint_errors import error_in, excerpt, failure, words_of
from xiaozhi.errors import ModelFailed
from xiaozhi.surrogates import SurrogateJoiner, is_whole

Object = Mapping[str, Any]

# DeepSeek, Qwen, older vLLM; OpenRouter, Ollama, newer vLLM. Some send both, with the same words.
REASONING_FIELDS = ("reasoning_content", "reasoning")
FIELDS_NOTED = 10
NOT_UNDERSTOOD = "it sent an answer that is not understood: "
MOST_TOKENS = 10**9  # that an endpoint is believed to have read or written
_FIRST = (0, None, "0", "")
_NOT_YET = ("null", "none")  # DashScope's "finish_reason" of all chunks but the last
# Of the same meaning: Mistral, Claude, Gemini, GLM
_LENGTH = ("model_length", "max_tokens", "max_output_tokens", "model_context_window_exceeded")
_FILTER = ("content_filter", "safety", "prohibited_content", "recitation", "sensitive", "blocklist")
# OpenRouter and Mistral, DeepSeek, GLM, Gemini: the answer is not what the model wanted to say.
_FAILED = ("error", "insufficient_system_resource", "network_error", "malformed_function_call")


def parsed(data: bytes) -> Any:
    """JSON. Bytes that are not UTF-8 are U+FFFD. Raises ValueError, RecursionError."""
    try:
        # A third of what `json` takes, and 2 of the 3 µs that each token costs here
        return from_json(data)
    except ValueError:
        # Half a character, a broken byte, a line break within a string: `json` takes them.
        return json.loads(data.decode("utf-8-sig", "replace"), strict=False)


class AnswerReader:
    """Reads the chunks of one answer. `functions`: the names of those that can be called."""

    def __init__(self, functions: Collection[str] = ()) -> None:
        self.calls = CallPieces(functions)
        # Whether something came that is an answer, or a part of one
        self.has_said = False
        # What came and was not understood: its beginning, and the names of its fields
        self.unknown = ""
        self.unknown_fields: set[str] = set()
        self._odd_parts: list[str] = []
        self._text = SurrogateJoiner()
        self._refusal = SurrogateJoiner()
        self._reasoning = SurrogateJoiner()
        # Whether that came in pieces, and the last that came as a whole
        self._has_pieces = False
        self._whole: Any = None

    def take(self, chunk: Any, piece: Piece) -> None:
        """Add what `chunk`, or a whole completion, brings to `piece`. Raises ModelFailed."""
        if not isinstance(chunk, dict):
            if chunk:
                self.unknown = self.unknown or excerpt(chunk)
            return
        found = cast("dict[str, Any]", chunk)
        choices = found.get("choices")
        if not choices or found.get("error") or found.get("object") == "error":
            if error := error_in(found):
                raise failure(error, self.reason())
            if not choices:
                self._look_for_more(found, known_fields.OF_A_CHUNK)
        if usage := found.get("usage"):
            piece.usage = token_count(usage) or piece.usage
        if choices:
            self._take_first(choices, piece)

    def end(self, piece: Piece) -> None:
        """Add what was held back until the end. Raises ModelFailed."""
        try:
            piece.calls += self.calls.rest()
        except UnnamedCall as error:
            words = f"it called a function without a name: {excerpt(error.arguments)}"
            raise ModelFailed(chat_model.FAILED, words) from error
        piece.reasoning += self._reasoning.rest()
        piece.text += self._text.rest()
        piece.refusal += self._refusal.rest()
        if self.has_said and self._odd_parts:
            # For the reader to see that there was more
            piece.text += "\n\n" + "\n".join(self._odd_parts)
        elif self.unknown and not self.has_said:
            raise ModelFailed(chat_model.FAILED, NOT_UNDERSTOOD + self.unknown)

    def _take_first(self, choices: Any, piece: Piece) -> None:
        """Of several choices, all but the first are other answers to the same question."""
        for choice in as_objects(choices):
            if choice.get("index") in _FIRST:
                self._take_choice(choice, piece)
                return
        self.unknown = self.unknown or excerpt(choices)

    def _take_choice(self, choice: dict[str, Any], piece: Piece) -> None:
        delta = choice.get("delta")
        if delta:
            if isinstance(delta, dict):
                self._take_delta(cast("dict[str, Any]", delta), piece)
            else:
                self._take_content(delta, piece)
            self._has_pieces = self.has_said
        elif not self._has_pieces:
            # One that has said everything in pieces may say it once more as a whole.
            self._take_whole(choice, piece)
        if reason := choice.get("finish_reason"):
            self._finish(reason, choice, piece)
        elif error := choice.get("error"):
            raise failure(error, self.reason())
        if usage := choice.get("usage"):
            piece.usage = token_count(usage) or piece.usage

    def _take_whole(self, choice: dict[str, Any], piece: Piece) -> None:
        whole = choice.get("message") or choice.get("text")
        if whole and whole == self._whole and choice.get("finish_reason"):
            return
        self._whole = whole
        if isinstance(whole, dict):
            self._take_delta(cast("dict[str, Any]", whole), piece)
        elif whole:
            self._take_content(whole, piece)
        else:
            self._look_for_more(choice, known_fields.OF_A_CHOICE)

    def _take_delta(self, delta: dict[str, Any], piece: Piece) -> None:
        before = piece.count
        if content := delta.get("content"):
            self._take_content(content, piece)
            if len(delta) == 1:
                return
        has_thought = self._take_reasoning(delta, piece)
        if refusal := delta.get("refusal"):
            self._take_content({"type": "refusal", "refusal": refusal}, piece)
        entries = as_objects(_listed(delta.get("tool_calls")))
        if call := as_object(delta.get("function_call")):
            # The older form: there was one call at most
            entries = [{"index": 0, "function": call}]
        if entries:
            piece.text += self._text.rest()
            piece.calls += self.calls.take(entries)
            self.has_said = True
        if (entries or has_thought) and piece.count == before:
            piece.count += 1
        if error := delta.get("error"):
            raise failure(error, self.reason())
        self._look_for_more(delta, known_fields.OF_A_DELTA)

    def _take_content(self, content: Any, piece: Piece) -> None:
        if isinstance(content, str):
            self._say(content, piece)
            return
        for kind, words in parts_of(content):
            if kind == "text":
                self._say(words, piece)
            elif kind == "refusal":
                self._begin(piece)
                piece.refusal += self._refusal.take(words)
            elif kind == "reasoning":
                piece.reasoning += self._reasoning.take(words)
                piece.count += 1
            else:
                self.unknown = self.unknown or excerpt(words)
                if len(self._odd_parts) < FIELDS_NOTED:
                    self._odd_parts.append(excerpt(words))

    def _say(self, words: str, piece: Piece) -> None:
        self._begin(piece)
        piece.text += self._text.take(words)

    def _begin(self, piece: Piece) -> None:
        """The answer begins, or goes on: its thoughts have ended."""
        if self._reasoning.is_open:
            piece.reasoning += self._reasoning.rest()
        piece.count += 1
        self.has_said = True

    def _take_reasoning(self, delta: dict[str, Any], piece: Piece) -> bool:
        """Whether `delta` brings some of what the model thinks; that is added to `piece`."""
        for field in REASONING_FIELDS:
            words = delta.get(field)
            if words and isinstance(words, str):
                piece.reasoning += self._reasoning.take(words)
                piece.reasoning_field = field
                return True
        # Only where neither is there: OpenRouter's and LiteLLM's parts say the same once more.
        for field in THOUGHTS_IN_PARTS:
            if words := thoughts_of(delta.get(field)):
                piece.reasoning += self._reasoning.take(words)
                return True
        return False

    def _finish(self, reason: Any, choice: dict[str, Any], piece: Piece) -> None:
        word = str(reason).lower()
        if word in _NOT_YET:
            return
        if word in _FAILED:
            error = choice.get("error") or choice.get("native_finish_reason") or word
            raise failure(error, self.reason())
        if word in _LENGTH:
            word = "length"
        elif word in _FILTER:
            word = "content_filter"
        piece.finish_reason = word

    def _look_for_more(self, found: dict[str, Any], known: Set[str]) -> None:
        """Note what in `found` says something and is not `known`."""
        names = [name for name in found.keys() - known if found[name]]
        if names:
            self.unknown_fields.update(names[:FIELDS_NOTED])
            self.unknown = self.unknown or excerpt({name: found[name] for name in sorted(names)})

    def reason(self) -> str:
        """For an error: whether it comes in the middle of an answer, or in its place."""
        return chat_model.BROKE_OFF if self.has_said else chat_model.FAILED


def _listed(found: Any) -> Any:
    return [found] if isinstance(found, dict) else found


def whole(completion: Any, functions: Collection[str] = ()) -> Piece:
    """An answer in one piece, from a server that does not stream. Raises ModelFailed."""
    reader, piece = AnswerReader(functions), Piece()
    # Gemini's errors come in a list.
    found = as_object(next(iter(as_objects(completion)), completion))
    if not as_objects(found.get("choices")):
        if error := error_in(found):
            raise failure(error, chat_model.FAILED)
        words = f"it sent no answer: {excerpt(completion)}"
        raise ModelFailed(chat_model.FAILED, words)
    reader.take(found, piece)
    reader.end(piece)
    piece.finish_reason = piece.finish_reason or "stop"
    return piece


def told_as_error(data: bytes, reason: str) -> ModelFailed:
    """What an event of the type `error` says, in JSON or in plain text. `reason`: as `failure`."""
    try:
        found = parsed(data)
    except (ValueError, RecursionError):
        found = data.decode(errors="replace")
    error = error_in(cast("dict[str, Any]", found)) if isinstance(found, dict) else found
    return failure(error or words_of(found), reason)


def token_count(found: Any) -> TokenCount | None:
    """None where nothing of it can be believed."""
    usage = as_object(found)
    prompt = _tokens(usage.get("prompt_tokens", usage.get("input_tokens")))
    completion = _tokens(usage.get("completion_tokens", usage.get("output_tokens")))
    if prompt is None and completion is None:
        return None
    return TokenCount(prompt, completion, _tokens(usage.get("total_tokens")))


def _tokens(found: Any) -> int | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return int(found) if 0 <= found <= MOST_TOKENS else None


def models(found: Any) -> list[Object]:
    """The entries of a list of models that have an id."""
    data = as_object(found).get("data") if isinstance(found, dict) else found
    return [entry for entry in as_objects(data) if _is_name(entry.get("id"))]


def _is_name(found: Any) -> bool:
    return isinstance(found, str) and found != "" and is_whole(found)


def window(entry: Object) -> int | None:
    """A model's context in tokens; llama.cpp, vLLM and OpenRouter say it, each in its own words."""
    meta = as_object(entry.get("meta"))
    found = meta.get("n_ctx") or entry.get("max_model_len") or entry.get("context_length")
    return found if isinstance(found, int) and 0 < found <= MOST_TOKENS else None


def input_modalities(entry: Object) -> list[str]:
    """What a model takes, as in "text" and "image", where its server says so; OpenRouter does."""
    found = as_object(entry.get("architecture")).get("input_modalities")
    found = entry.get("input_modalities") or found
    kinds = cast("list[Any]", found) if isinstance(found, list) else []
    return [kind for kind in kinds if isinstance(kind, str)]


def as_object(found: Any) -> dict[str, Any]:
    """`found` if it is an object, else an empty one."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def as_objects(found: Any) -> list[dict[str, Any]]:
    entries = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
