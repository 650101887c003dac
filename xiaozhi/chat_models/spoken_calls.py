"""Function calls for a small model, which writes them into its text instead of making them.

    ```json
    {"name": "weather", "arguments": {"city": "Paris"}}
    ```

The built-in model does so whatever its template says, and then talks on about what the function
might have answered. Shown its own call again, it repeats that for ever; told the result in a
sentence, it answers (8 of 8 tries, in Chinese and English).
"""

import json
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from typing import Any, cast

from xiaozhi.chat_models.chat_model import CallPiece, ChatRequest, Piece
from xiaozhi.errors import ModelFailed

_OPENERS = ("```json", "```", "<tool_call>", "")
_USE_IT = "Answer the user with it, in the user's language."
_LONGEST = 16_000  # characters of arguments that are waited for


async def with_calls(
    pieces: AsyncGenerator[Piece], names: Collection[str]
) -> AsyncGenerator[Piece]:
    """The same answer; where it begins with such a call, the call alone. `names`: of functions."""
    held: Piece | None = Piece()
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                # Thoughts are told as they come: they are never a call.
                if held is None or (piece.reasoning and not piece.text):
                    yield piece
                    continue
                _add(held, piece)
                call = _read(held.text, names)
                if call is not None:
                    count, thoughts = held.count, held.reasoning
                    held = Piece(calls=[call], finish_reason="tool_calls", count=count)
                    held.reasoning = thoughts
                    # What it says further is made up.
                    break
                if held.calls or held.finish_reason or not _may_begin(held.text):
                    whole, held = held, None
                    yield whole
        except ModelFailed:
            if held is not None:
                yield held
            raise
        if held is not None:
            yield held


def with_results_told(request: ChatRequest) -> ChatRequest:
    """The same question with its calls and their results as sentences, and no further functions.

    Where nothing was called yet: the request as it is.
    """
    called = {
        call["id"]: f"{call['function']['name']}({call['function']['arguments']})"
        for message in request.messages
        for call in message.get("tool_calls", ())
    }
    if not called:
        return request
    told: list[Mapping[str, Any]] = []
    for message in request.messages:
        if message["role"] == "tool":
            words = f"Result of {called[message['tool_call_id']]}: {message['content']}\n{_USE_IT}"
            told.append({"role": "system", "content": words})
        elif not message.get("tool_calls"):
            told.append(message)
        elif message["content"]:
            told.append({"role": message["role"], "content": message["content"]})
    words = ("tools", "tool_choice", "parallel_tool_calls")
    options = {name: value for name, value in request.options.items() if name not in words}
    return ChatRequest(request.model, told, options)


def _add(held: Piece, piece: Piece) -> None:
    held.text += piece.text
    held.reasoning += piece.reasoning
    held.refusal += piece.refusal
    held.calls += piece.calls
    held.count += piece.count
    held.finish_reason = piece.finish_reason
    held.usage = piece.usage


def _may_begin(text: str) -> bool:
    """Whether `text` is the beginning of such a call, as far as it goes."""
    text = text.lstrip()
    if len(text) > _LONGEST:
        return False
    for opener in _OPENERS:
        if opener.startswith(text):
            return True
        rest = text.removeprefix(opener).lstrip() if text.startswith(opener) else "no"
        if rest.startswith("{") and _object(rest) is None:
            return True
        if not rest:
            return True
    return False


def _read(text: str, names: Collection[str]) -> CallPiece | None:
    text = text.lstrip()
    for opener in _OPENERS:
        if text.startswith(opener):
            found = _object(text.removeprefix(opener).lstrip())
            if found is not None and found.get("name") in names:
                arguments = found.get("arguments", {})
                if not isinstance(arguments, str):
                    arguments = json.dumps(arguments, ensure_ascii=False)
                return CallPiece(0, str(found["name"]), arguments)
    return None


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` begins with; None where it is not there, or not whole yet."""
    if not text.startswith("{"):
        return None
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", found)
