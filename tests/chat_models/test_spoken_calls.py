"""Calls that a small model writes into its text are read; everything else stays text."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from xiaozhi.chat_models import CallPiece, ChatRequest, Piece
from xiaozhi.chat_models.spoken_calls import with_calls, with_results_told

CALL = '{"name": "weather", "arguments": {"city": "Paris"}}'


def read(*texts: str) -> list[Piece]:
    async def told() -> AsyncGenerator[Piece]:
        for text in texts:
            yield Piece(text, count=1)
        yield Piece(finish_reason="stop")

    async def everything() -> list[Piece]:
        return [piece async for piece in with_calls(told(), {"weather"})]

    return asyncio.run(everything())


@pytest.mark.parametrize(
    "texts",
    [
        [CALL],
        ["```json\n", CALL, "\n```"],
        ["```", "js", "on\n  ", *CALL, "```\nIt is sunny in Paris."],
        ["<tool_call>\n" + CALL + "\n</tool_call>"],
        ["\n", CALL[:10], CALL[10:]],
    ],
)
def test_a_call_is_a_call(texts: Sequence[str]):
    [piece] = read(*texts)
    assert piece.calls == [CallPiece(0, "weather", '{"city": "Paris"}')]
    assert (piece.text, piece.finish_reason) == ("", "tool_calls")


@pytest.mark.parametrize(
    "texts",
    [
        ["Hello", " there"],
        ["```python\n", "print(1)", "\n```"],
        ['{"name": "unknown", "arguments": {}}', " what?"],
        ['{"city": ', '"Paris"}'],
        ['{"city": "Par'],
        ["``"],
        ["{}"],
    ],
)
def test_everything_else_is_text(texts: Sequence[str]):
    pieces = read(*texts)
    assert "".join(piece.text for piece in pieces) == "".join(texts)
    assert [call for piece in pieces for call in piece.calls] == []
    assert pieces[-1].finish_reason == "stop"


def test_plain_words_are_not_held_back():
    assert [piece.text for piece in read("Hel", "lo")] == ["Hel", "lo", ""]


def test_results_are_told_in_sentences():
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    asked = ChatRequest(
        "m",
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "18"},
        ],
        {"temperature": 0, "tools": [{}], "tool_choice": "auto"},
    )
    told = with_results_told(asked)
    assert [message["role"] for message in told.messages] == ["user", "system"]
    assert told.messages[1]["content"].startswith("Result of weather({}): 18\n")
    assert told.options == {"temperature": 0}
    assert with_results_told(told) is told
