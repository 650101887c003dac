"""What must stay true when several clients do things at the same instant (contract 7.4 to 7.6).

Each race is run five times; for a long look:

    RACES=100 .venv/bin/pytest tests/api/test_races.py --timeout 600
"""

import asyncio
import os
from collections.abc import Awaitable
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, OpenAI
from openai.types.beta import Assistant

from tests.api.test_functions import WEATHER
from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

RACES = 5
ENDED = ("completed", "failed", "cancelled", "expired", "incomplete")


@pytest.fixture(scope="session")
def races() -> int:
    return int(os.environ.get("RACES", RACES))


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    return client.beta.assistants.create(
        model="scripted", instructions="Be brief.", tools=[WEATHER]
    )


def several(server: Running) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0, timeout=60)


async def tried(*doing: Awaitable[Any]) -> list[Any]:
    """What each came to: its answer, or the API's error. Anything else fails the test."""
    found = await asyncio.gather(*doing, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, APIStatusError):
            raise one
    return list(found)


def said(error: APIStatusError) -> str:
    body: Any = error.body
    return body["message"]


async def ended(client: AsyncOpenAI, run: Any) -> Any:
    async with asyncio.timeout(40):
        while run.status not in ENDED:
            await asyncio.sleep(0.01)
            run = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    return run


def test_of_many_runs_at_once_one_wins(
    server: Running, model: Scripted, assistant: Assistant, races: int
):
    async def story(asynchronous: AsyncOpenAI) -> None:
        async with asynchronous as client:
            for _ in range(races):
                model.script = [Says("slow", think=1.0)]
                thread = await client.beta.threads.create()
                runs = client.beta.threads.runs
                found = await tried(
                    *(runs.create(thread.id, assistant_id=assistant.id) for _ in range(50))
                )
                lost = [one for one in found if isinstance(one, BadRequestError)]
                [won] = [one for one in found if not isinstance(one, Exception)]
                words = f"Thread {thread.id} already has an active run {won.id}."
                assert [said(error) for error in lost] == [words] * 49
                assert (await ended(client, won)).status == "completed"
                assert len((await runs.list(thread.id)).data) == 1

    # Made outside of the loop: it reads certificates from the disk.
    asyncio.run(story(several(server)))


def test_a_cancel_and_an_end_at_the_same_time_have_one_outcome(
    server: Running, model: Scripted, assistant: Assistant, races: int
):
    async def story(asynchronous: AsyncOpenAI) -> None:
        async with asynchronous as client:
            for number in range(races * 4):
                model.script = [Says(["a ", "b ", "c"], pause=0.002 * (number % 5))]
                thread = await client.beta.threads.create()
                runs = client.beta.threads.runs
                run = await runs.create(thread.id, assistant_id=assistant.id)
                await asyncio.sleep(0.002 * (number % 8))
                await tried(runs.cancel(run.id, thread_id=thread.id))
                run = await ended(client, run)
                assert run.status in ("completed", "cancelled")
                [step] = (await runs.steps.list(run.id, thread_id=thread.id)).data or [None]
                assert step is None or step.status == run.status
                # And the thread is free.
                await client.beta.threads.messages.create(thread.id, role="user", content="x")

    # Made outside of the loop: it reads certificates from the disk.
    asyncio.run(story(several(server)))


def test_of_two_submits_one_wins(
    server: Running, model: Scripted, assistant: Assistant, races: int
):
    async def story(asynchronous: AsyncOpenAI) -> None:
        async with asynchronous as client:
            for _ in range(races):
                model.script = [Calls([("weather", "{}")]), Says("Sunny.")]
                thread = await client.beta.threads.create()
                runs = client.beta.threads.runs
                run = await runs.create_and_poll(
                    thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
                )
                assert run.required_action
                [call] = run.required_action.submit_tool_outputs.tool_calls
                found = await tried(
                    *(
                        runs.submit_tool_outputs(
                            run.id,
                            thread_id=thread.id,
                            tool_outputs=[{"tool_call_id": call.id, "output": str(output)}],
                        )
                        for output in range(5)
                    ),
                    runs.cancel(run.id, thread_id=thread.id),
                )
                won = [one for one in found[:5] if not isinstance(one, Exception)]
                assert len(won) <= 1
                run = await ended(client, run)
                assert run.status in (("completed", "cancelled") if won else ("cancelled",))
                await client.beta.threads.messages.create(thread.id, role="user", content="x")

    # Made outside of the loop: it reads certificates from the disk.
    asyncio.run(story(several(server)))


def test_a_thread_that_is_deleted_under_its_run_leaves_nothing(
    server: Running, model: Scripted, assistant: Assistant, races: int
):
    async def story(asynchronous: AsyncOpenAI) -> None:
        async with asynchronous as client:
            for number in range(races * 2):
                model.script = [Says(["a "] * 20, pause=0.005)]
                thread = await client.beta.threads.create()
                runs = client.beta.threads.runs
                run = await runs.create(thread.id, assistant_id=assistant.id)
                await asyncio.sleep(0.004 * (number % 6))
                await client.beta.threads.delete(thread.id)
                [gone] = await tried(runs.retrieve(run.id, thread_id=thread.id))
                assert gone.status_code == 404

    # Made outside of the loop: it reads certificates from the disk.
    asyncio.run(story(several(server)))
