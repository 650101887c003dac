"""With many answers under way each is read some tokens at a time, and none of it is lost."""

import asyncio

import pytest
from openai import AsyncOpenAI
from openai.types.beta import Assistant

from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.runs.read_pauses import AT_FIRST

pytestmark = pytest.mark.one_database

WORDS = [f"w{number} " for number in range(60)]
TOGETHER = 50


def stream_pieces(server: Running, assistant: Assistant, streams: int) -> list[list[str]]:
    """What each of `streams` that run together gets: its pieces."""

    async def one(client: AsyncOpenAI) -> list[str]:
        events = await client.beta.threads.create_and_run(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": "你好"}]},
            stream=True,
        )
        found: list[str] = []
        async for event in events:
            if event.event == "thread.message.delta":
                for part in event.data.delta.content or []:
                    assert part.type == "text"
                    assert part.text
                    found.append(part.text.value or "")
        return found

    async def story() -> list[list[str]]:
        async with AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(streams)))

    return asyncio.run(story())


def test_many_answers_come_in_larger_pieces(server: Running, model: Scripted, assistant: Assistant):
    model.script = [Says(WORDS, pause=0.02)] * TOGETHER
    for pieces in stream_pieces(server, assistant, TOGETHER):
        assert "".join(pieces) == "".join(WORDS)
        # Of 44 that follow the first ones, two or three at a time, where all ran together
        assert len(pieces) <= len(WORDS) - AT_FIRST // 2


def test_one_answer_comes_word_by_word(server: Running, model: Scripted, assistant: Assistant):
    model.script = [Says(WORDS[:30], pause=0.1)]
    [pieces] = stream_pieces(server, assistant, 1)
    assert "".join(pieces) == "".join(WORDS[:30])
    # A busy machine may be late for some.
    assert len(pieces) >= 20
