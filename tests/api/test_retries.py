"""What the SDK sends again after a lost connection makes nothing twice."""

from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_functions import PARIS, WEATHER, asking, outputs
from tests.api.test_runs import TEXT_RUN, ended, names
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

RETRY = {"x-stainless-retry-count": "1"}


def test_a_run_that_is_asked_for_again_is_the_same(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("slow", think=0.3)]
    request: Any = {
        "thread_id": thread.id,
        "assistant_id": assistant.id,
        "additional_messages": [{"role": "user", "content": "and?"}],
    }
    runs: Any = client.beta.threads.runs
    run: Run = runs.create(**request)
    again = runs.create(**request, extra_headers=RETRY)
    assert again.id == run.id
    stream = runs.create(**request, stream=True, extra_headers=RETRY)
    events: list[Any] = list(stream)
    assert names(events) == TEXT_RUN
    assert events[0].data.id == run.id
    # Also when it has ended meanwhile
    assert runs.create(**request, extra_headers=RETRY).id == run.id
    assert len(client.beta.threads.messages.list(thread.id).data) == 3
    # Another request, or the same without being a retry, makes another run.
    other: Run = runs.create(**{**request, "instructions": "Be long."})
    assert other.id != run.id
    with pytest.raises(BadRequestError, match="already has an active run"):
        runs.create(**request, extra_headers=RETRY)
    ended(client, other)


def test_a_run_is_not_taken_for_the_one_before(client: OpenAI, thread: Thread):
    """Its first attempt met a server that was down: what was said since wants its own answer."""
    assistant = client.beta.assistants.create(model="scripted")
    runs: Any = client.beta.threads.runs
    request: Any = {"thread_id": thread.id, "assistant_id": assistant.id}
    first = ended(client, runs.create(**request))
    client.beta.threads.messages.create(thread.id, role="user", content="And now?")
    second = ended(client, runs.create(**request, extra_headers=RETRY))
    assert second.id != first.id
    assert [message.run_id for message in client.beta.threads.messages.list(thread.id)][:3] == [
        second.id,
        None,
        first.id,
    ]


def test_a_message_is_not_taken_for_the_one_before_the_answer(
    client: OpenAI, assistant: Assistant, thread: Thread
):
    messages = client.beta.threads.messages
    first = messages.create(thread.id, role="user", content="go on")
    same = messages.create(thread.id, role="user", content="go on", extra_headers=RETRY)
    assert same.id == first.id
    ended(client, client.beta.threads.runs.create(thread.id, assistant_id=assistant.id))
    again = messages.create(thread.id, role="user", content="go on", extra_headers=RETRY)
    assert again.id != first.id


def test_outputs_that_are_sent_again_are_taken_once(
    client: OpenAI, model: Scripted, thread: Thread
):
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    model.script = [Calls([("weather", PARIS)]), Says("Sunny.", think=0.3)]
    run = asking(client, thread, assistant)
    runs: Any = client.beta.threads.runs
    request: Any = {
        "run_id": run.id,
        "thread_id": thread.id,
        "tool_outputs": outputs(run, "18 °C"),
    }
    runs.submit_tool_outputs(**request)
    with pytest.raises(BadRequestError, match="do not accept tool outputs"):
        runs.submit_tool_outputs(**request)
    events: list[Any] = list(runs.submit_tool_outputs(**request, stream=True, extra_headers=RETRY))
    assert names(events) == ["thread.run.step.completed", *TEXT_RUN[1:]]
    assert len(model.requests) == 2
