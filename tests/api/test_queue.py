"""More runs than places: they wait in a fair queue, and a full queue says when to come again."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI, RateLimitError
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_runs import TEXT_RUN, ended, names, text_of_last
from tests.running import KEY, Running, running
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

SLOW = Says("one two three", pause=0.2)
WEATHER: Any = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture
def narrow(tmp_path: Path, model_server: tuple[Scripted, str]) -> Iterator[Running]:
    """One run at a time, and two that wait."""
    url = model_server[1]
    with running(tmp_path, model_url=url, concurrent_runs=1, queued_runs=2) as server:
        yield server


@pytest.fixture
def client(narrow: Running, model: Scripted) -> Iterator[OpenAI]:
    with narrow.client() as client:
        yield client


def started(client: OpenAI, assistant: Assistant, words: str = "hello") -> Run:
    return client.beta.threads.create_and_run(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": words}]}
    )


def read(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)


def until_asked(model: Scripted, times: int = 1) -> None:
    deadline = time.monotonic() + 30
    while len(model.requests) < times:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_waits_is_queued_and_comes_in_turn(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [SLOW]
    runs = [started(client, assistant, f"question {number}") for number in range(3)]
    until_asked(model)
    assert [read(client, run).status for run in runs[1:]] == ["queued", "queued"]
    assert len(model.requests) == 1
    assert [ended(client, run).status for run in runs] == ["completed"] * 3
    asked = [request["messages"][-1]["content"] for request in model.requests]
    assert asked == ["question 0", "question 1", "question 2"]


def test_a_stream_that_waits_tells_everything_in_the_end(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [SLOW, Says("one two three")]
    started(client, assistant)
    with client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True
    ) as stream:
        assert names(list(stream)) == TEXT_RUN


def test_who_is_cancelled_while_it_waits_ends_at_once(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [Says("long", think=5.0)]
    started(client, assistant)
    waiting = started(client, assistant)
    began = time.monotonic()
    client.beta.threads.runs.cancel(waiting.id, thread_id=waiting.thread_id)
    cancelled = ended(client, waiting)
    assert time.monotonic() - began < 4, "the one before it has 5 s to think"
    assert cancelled.status == "cancelled"
    assert cancelled.started_at is None
    client.beta.threads.messages.create(waiting.thread_id, role="user", content="still here")
    assert len(model.requests) == 1


def test_a_thread_is_deleted_while_its_run_waits(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [SLOW]
    first = started(client, assistant)
    deleted, last = started(client, assistant), started(client, assistant)
    client.beta.threads.delete(deleted.thread_id)
    assert ended(client, first).status == "completed"
    assert ended(client, last).status == "completed"
    assert len(model.requests) == 2


def test_a_message_that_is_deleted_while_the_run_waits_is_not_sent_to_the_model(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [SLOW, Says("Fine.")]
    started(client, assistant)
    waiting = started(client, assistant, "my secret")
    [secret] = client.beta.threads.messages.list(waiting.thread_id).data
    client.beta.threads.messages.delete(secret.id, thread_id=waiting.thread_id)
    assert ended(client, waiting).status == "completed"
    assert len(model.requests) == 2
    assert "my secret" not in str(model.requests)


def test_a_run_that_waits_for_its_client_holds_no_place(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [Calls([("weather", "{}")])]
    asking = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    waiting = ended(client, started(client, asking))
    assert waiting.status == "requires_action"
    assert ended(client, started(client, assistant)).status == "completed"


def test_outputs_are_taken_however_full_it_is_and_come_before_new_runs(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [Calls([("weather", "{}")]), SLOW, Says("Sunny.")]
    asking = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    waiting = ended(client, started(client, asking))
    assert waiting.required_action
    [call] = waiting.required_action.submit_tool_outputs.tool_calls
    others = [started(client, assistant) for _ in range(3)]
    with pytest.raises(RateLimitError):
        started(client, assistant)
    run = client.beta.threads.runs.submit_tool_outputs(
        waiting.id,
        thread_id=waiting.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "sun"}],
    )
    assert run.status == "queued"
    assert ended(client, run).status == "completed"
    assert text_of_last(client, run.thread_id) == "Sunny."
    assert model.requests[2]["messages"][-1]["role"] == "tool"
    assert [ended(client, other).status for other in others] == ["completed"] * 3


def test_a_full_queue_says_when_to_come_again_and_writes_nothing(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [SLOW]
    runs = [started(client, assistant) for _ in range(3)]
    for stream in (False, True):
        with pytest.raises(RateLimitError) as refused:
            client.beta.threads.runs.create(
                thread_id=thread.id,
                assistant_id=assistant.id,
                additional_messages=[{"role": "user", "content": "and?"}],
                stream=stream,
            )
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.type == "requests"
        assert 1 <= int(refused.value.response.headers["retry-after"]) <= 30
    with pytest.raises(RateLimitError):
        started(client, assistant)
    assert len(client.beta.threads.messages.list(thread.id).data) == 1
    assert client.beta.threads.runs.list(thread.id).data == []
    # The SDK comes again by itself.
    patient = client.with_options(max_retries=2)
    run = patient.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    assert [ended(client, run).status for run in [*runs, run]] == ["completed"] * 4


def test_what_is_wrong_is_told_however_full_it_is(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [SLOW]
    runs = [started(client, assistant) for _ in range(3)]
    path = f"{client.base_url}threads/{thread.id}/runs"
    headers = {"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {KEY}"}
    refused = httpx2.post(path, headers=headers, json={"assistant_id": "asst_nobody"})
    assert refused.status_code == 404
    # A run that is there already is not a new one: its first answer was lost.
    again = {**headers, "x-stainless-retry-count": "1"}
    path = f"{client.base_url}threads/{runs[2].thread_id}/runs"
    same = httpx2.post(path, headers=again, json={"assistant_id": assistant.id})
    assert same.json()["id"] == runs[2].id
    for run in runs:
        ended(client, run)


def test_of_many_at_once_exactly_those_are_taken_for_whom_there_is_room(
    narrow: Running, client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [Says("long", think=1.0)]
    taken = narrow.on_the_loop(lambda: _posted(narrow.url, assistant.id, 20))
    assert sorted(taken) == [200] * 3 + [429] * 17


async def _posted(url: str, assistant_id: str, times: int) -> list[int]:
    """The statuses of that many runs, created at the same moment."""
    headers = {"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        body = {"assistant_id": assistant_id}
        posts = [http.post(f"{url}/threads/runs", json=body) for _ in range(times)]
        return [answer.status_code for answer in await asyncio.gather(*posts)]


def test_a_bound_on_one_model_is_no_bound_on_another(tmp_path: Path):
    model = Scripted([SLOW, SLOW], models=["one", "two"])
    with (
        model.served() as url,
        running(tmp_path, model_url=url, concurrent_runs_per_model=1) as server,
        server.client() as client,
    ):
        one, two = (client.beta.assistants.create(model=name) for name in ("one", "two"))
        first, second = started(client, one), started(client, one)
        other = started(client, two)
        until_asked(model, 2)
        assert [request["model"] for request in model.requests] == ["one", "two"]
        assert read(client, second).status == "queued"
        assert [ended(client, run).status for run in (first, other, second)] == ["completed"] * 3
