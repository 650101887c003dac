"""Somebody who listens to long runs; where a stream is cut, they go on with the run's events."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import APIError, AsyncOpenAI
from openai._streaming import ServerSentEvent, SSEDecoder

from tests.resilience.careful import LOST
from tests.resilience.talk import answer_to
from tests.running import KEY

FOLLOWED_WITHIN = 30.0  # s, over all that cuts streams


@dataclass(frozen=True)
class Cut:
    """A stream that ended before its run. `at`: time.monotonic()."""

    words: str
    at: float


class Listener:
    """`cuts`: streams that were cut. `runs`: how many it has heard to their end."""

    def __init__(self, address: str, seed: str, *, length: int) -> None:
        """`length`: words that each run says slowly."""
        self.cuts: list[Cut] = []
        self.runs = 0
        self.stopping = False
        self._client = AsyncOpenAI(base_url=address, api_key=KEY, max_retries=2, timeout=30)
        self._choice = random.Random(seed)
        self._length = length

    async def listen(self) -> None:
        """To one run after the other, each whole, until `stopping` is set."""
        async with self._client:
            assistant = await self._client.beta.assistants.create(model="scripted")
            while not self.stopping:
                words = f"#{self._choice.getrandbits(64):x} slowly {self._length}"
                await self._hear(words, assistant.id)
                self.runs += 1

    async def _hear(self, words: str, assistant_id: str) -> None:
        beta = self._client.beta
        said: Any = [{"role": "user", "content": words}]
        thread = await beta.threads.create(messages=said)
        runs: Any = beta.threads.runs
        events = await runs.create(thread.id, assistant_id=assistant_id, stream=True)
        heard, run_id = "", ""
        last = None
        try:
            async for event in events:
                last = event.event
                if last == "thread.run.created":
                    run_id = event.data.id
                elif last == "thread.message.delta":
                    heard += event.data.delta.content[0].text.value
        except (*LOST, APIError):
            self.cuts.append(Cut(words, time.monotonic()))
            heard = await self._followed(thread.id, run_id)
        else:
            assert last == "thread.run.completed", f"the stream of {run_id} ended with {last}"
        assert heard == answer_to(words), f"not whole: {run_id}"
        messages = [one async for one in beta.threads.messages.list(thread.id, order="asc")]
        assert [one.role for one in messages] == ["user", "assistant"], messages
        run = await beta.threads.runs.retrieve(run_id, thread_id=thread.id)
        assert run.status == "completed", run

    async def _followed(self, thread_id: str, run_id: str) -> str:
        """All that the run says, as its events tell it from its start; they may be cut as well."""
        until = time.monotonic() + FOLLOWED_WITHIN
        while True:
            told: list[ServerSentEvent] = []
            with suppress(httpx2.TransportError):
                told = [event async for event in self._events(thread_id, run_id)]
            if "thread.run.completed" in [event.event for event in told]:
                return texts(told)
            assert time.monotonic() < until, told[-3:]
            await asyncio.sleep(0.1)

    async def _events(self, thread_id: str, run_id: str) -> AsyncIterator[ServerSentEvent]:
        headers = {"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {KEY}"}
        url = f"{self._client.base_url}threads/{thread_id}/runs/{run_id}/events"
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as client,
            client.stream("GET", url) as response,
        ):
            async for event in SSEDecoder().aiter_bytes(response.aiter_bytes()):
                yield event


def texts(events: list[ServerSentEvent]) -> str:
    deltas = [event.json()["delta"] for event in events if event.event == "thread.message.delta"]
    return "".join(delta["content"][0]["text"]["value"] for delta in deltas)
