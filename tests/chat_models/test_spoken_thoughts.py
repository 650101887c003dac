"""Thoughts that a server leaves in the text are parted from it, wherever its pieces are cut."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaozhi.chat_models import CallPiece, Piece, wire
from xiaozhi.chat_models.spoken_calls import with_calls
from xiaozhi.chat_models.spoken_thoughts import with_thoughts
from xiaozhi.errors import ModelFailed


def read(texts: Sequence[str], *, breaks_off: bool = False) -> tuple[str, str]:
    """(what is thought, what is said)"""

    async def told() -> AsyncGenerator[Piece]:
        for text in texts:
            yield Piece(text, count=1)
        if breaks_off:
            raise ModelFailed("broke off")
        yield Piece(finish_reason="stop")

    async def everything() -> list[Piece]:
        found: list[Piece] = []
        try:
            async for piece in with_thoughts(told()):
                found.append(piece)
        except ModelFailed:
            assert breaks_off
        return found

    found = asyncio.run(everything())
    assert sum(piece.count for piece in found) == len(texts)
    return "".join(one.reasoning for one in found), "".join(one.text for one in found)


WHOLE = [
    ("<think>They greet me.</think>\n\nHello!", ("They greet me.", "Hello!")),
    (" \n<think>\n一\n\n二\n</think>好", ("一\n\n二", "好")),
    ("<think>\n\n</think>\n\nHello!", ("", "Hello!")),
    ("<think>a < b, a </ b, </thin</think>c", ("a < b, a </ b, </thin", "c")),
    ("<think>no end </thi", ("no end </thi", "")),
    ("<think>no end \n", ("no end", "")),
    ("<think>", ("", "")),
    ("<think>a</think>", ("a", "")),
    ("<think>a</think>b <think>c</think>", ("a", "b <think>c</think>")),
    ("Hello <think>a</think>", ("", "Hello <think>a</think>")),
    ("<thin", ("", "<thin")),
    (" \n", ("", " \n")),
    ("  <b>", ("", "  <b>")),
    ("", ("", "")),
]


@given(st.sampled_from(WHOLE), st.sets(st.integers(0, 60)), st.booleans())
def test_it_does_not_matter_where_pieces_end(
    case: tuple[str, tuple[str, str]], cuts: set[int], breaks_off: bool
):
    text, parted = case
    at = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    texts = [text[start:end] for start, end in pairwise(at)]
    assert read(texts, breaks_off=breaks_off) == parted


@given(st.text(alphabet=" \n<>/thinka字"), st.text(alphabet=" \n<>/thinka字"))
def test_whatever_is_thought_and_said_is_found_again(thought: str, said: str):
    if "</think>" in thought:
        return
    text = f"<think>{thought}</think>{said}"
    expected = thought.strip(), said.lstrip()
    assert read([text]) == read(list(text)) == expected


def test_thoughts_come_at_once():
    async def story() -> None:
        async def told() -> AsyncGenerator[Piece]:
            yield Piece("<think>one", count=1)
            raise AssertionError("the first piece is told before the next one is asked for")

        pieces = with_thoughts(told())
        assert (await anext(pieces)).reasoning == "one"
        await pieces.aclose()

    asyncio.run(story())


def test_a_call_behind_thoughts_is_a_call():
    async def told() -> AsyncGenerator[Piece]:
        for text in (
            "<think>",
            "Look it up.",
            "</think>\n",
            '{"name": "weather", ',
            '"arguments": ',
        ):
            yield Piece(text, count=1)
        yield Piece('{"city": "Paris"}}', count=1)

    async def everything() -> list[Piece]:
        return [piece async for piece in with_calls(with_thoughts(told()), {"weather"})]

    found = asyncio.run(everything())
    assert "".join(piece.reasoning for piece in found) == "Look it up."
    assert found[-1].calls == [CallPiece(0, "weather", '{"city": "Paris"}')]
    assert [piece.text for piece in found if piece.text] == []


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm", "content": None},
        {"reasoning": "hm", "content": ""},
        # With the same words twice, as vLLM did for a while
        {"reasoning_content": "hm", "reasoning": "hm"},
        {"reasoning_content": None, "reasoning": "hm", "reasoning_details": [{"text": "hm"}]},
    ],
)
def test_the_fields_of_all_servers_are_known(delta: dict[str, Any]):
    whole = wire.whole({"choices": [{"message": delta}]})
    assert (whole.reasoning, whole.text, whole.count) == ("hm", "", 1)
    assert whole.reasoning_field in delta


@pytest.mark.parametrize("odd", [{"effort": "high"}, ["hm"], 3, None, ""])
def test_what_is_no_text_is_passed_over(odd: Any):
    whole = wire.whole({"choices": [{"message": {"content": "a", "reasoning": odd}}]})
    assert (whole.reasoning, whole.text) == ("", "a")
