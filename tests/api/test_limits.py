"""Limits of a run that really hold (contract 7.9): tokens read, tokens written, messages sent."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_functions import PARIS, WEATHER, asking, outputs
from tests.api.test_runs import TEXT_RUN, names, streamed, text_of_last
from tests.running import Running, running
from xiaozhi.chat_models.scripted import Calls, Refuses, Says, Scripted


def filled(client: OpenAI, count: int) -> Thread:
    """A thread of `count` messages of about 40 tokens each."""
    said: Any = [
        {"role": "user", "content": f"{number}: " + "word " * 20} for number in range(count)
    ]
    return client.beta.threads.create(messages=said)


def sent(model: Scripted) -> list[str]:
    """The numbers of the messages that the model was sent the last time."""
    messages = model.requests[-1]["messages"]
    return [m["content"].split(":")[0] for m in messages if m["role"] == "user"]


def test_a_limit_on_the_prompt_drops_the_oldest_messages(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    thread = filled(client, 30)
    events = streamed(client, thread, assistant, max_prompt_tokens=400)
    assert names(events) == TEXT_RUN
    numbers = sent(model)
    assert 3 <= len(numbers) <= 10
    assert numbers == [str(number) for number in range(30 - len(numbers), 30)]


def test_a_prompt_without_room_for_one_message_is_incomplete(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    long: Any = [{"role": "user", "content": "word " * 2000}]
    thread = client.beta.threads.create(messages=long)
    events = streamed(client, thread, assistant, max_prompt_tokens=256)
    assert names(events) == [*TEXT_RUN[:3], "thread.run.incomplete"]
    run: Run = events[-1].data
    assert run.incomplete_details
    assert run.incomplete_details.reason == "max_prompt_tokens"
    assert run.usage
    assert run.usage.total_tokens == 0
    assert model.requests == []
    # The thread goes on.
    assert names(streamed(client, thread, assistant)) == TEXT_RUN


def test_a_limit_on_the_answer_holds_also_where_the_endpoint_passes_it_over(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(["word "] * 1000, pause=0.001)]
    events = streamed(client, thread, assistant, max_completion_tokens=256)
    assert events[-1].event == "thread.run.incomplete"
    run: Run = events[-1].data
    assert run.incomplete_details
    assert run.incomplete_details.reason == "max_completion_tokens"
    assert 256 <= len(text_of_last(client, thread.id).split()) < 400


def test_limits_are_of_all_turns_together(client: OpenAI, model: Scripted, thread: Thread):
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    model.script = [Calls([("weather", PARIS)]), Says("Sunny.")]
    run = asking(client, thread, assistant, max_completion_tokens=256)
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), poll_interval_ms=20
    )
    first, second = (request["max_tokens"] for request in model.requests)
    step, _ = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert step.usage
    assert (first, second) == (256, 256 - step.usage.completion_tokens)


def test_a_later_turn_gets_what_the_earlier_ones_have_left(
    client: OpenAI, model: Scripted, thread: Thread
):
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    long = '{"city": "' + "x" * 1240 + '"}'  # 250 pieces and some
    model.script = [Calls([("weather", long)], pause=0.001)]
    run = asking(client, thread, assistant, max_completion_tokens=260)
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), poll_interval_ms=20
    )
    assert len(model.requests) == 2
    assert model.requests[1]["max_tokens"] < 15
    assert run.status == "completed"


def test_a_filtered_answer_is_incomplete_and_says_so(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("I would", finish_reason="content_filter")]
    events = streamed(client, thread, assistant)
    assert names(events)[-3:] == [
        "thread.message.incomplete",
        "thread.run.step.completed",
        "thread.run.incomplete",
    ]
    assert events[-1].data.to_dict()["incomplete_details"] == {}
    [message] = client.beta.threads.messages.list(thread.id, limit=1).data
    assert message.incomplete_details
    assert message.incomplete_details.reason == "content_filter"


def test_a_refusal_is_a_part_of_its_own(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Refuses("I cannot help with that.", pause=0.02), Says("Fine.")]
    events = streamed(client, thread, assistant)
    first = next(event.data for event in events if event.event == "thread.message.delta")
    assert first.to_dict()["delta"]["content"] == [{"index": 0, "type": "refusal", "refusal": "I"}]
    [message] = client.beta.threads.messages.list(thread.id, limit=1).data
    assert message.to_dict()["content"] == [
        {"type": "refusal", "refusal": "I cannot help with that."}
    ]
    streamed(client, thread, assistant)
    assert model.requests[1]["messages"][-1] == {
        "role": "assistant",
        "content": "I cannot help with that.",
    }


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Scripted]]:
    """A server before a model with a window of 1,000 tokens, which says so itself."""
    model = Scripted(window=1000)
    with (
        model.served() as url,
        running(tmp_path_factory.mktemp("data"), model_url=url) as server,
        server.client() as client,
    ):
        client.models.list()
        yield server, model


def test_old_messages_go_in_blocks_where_the_window_is_full(small: tuple[Running, Scripted]):
    server, model = small
    with server.client() as client:
        assistant = client.beta.assistants.create(model="scripted")
        thread = filled(client, 16)
        beginnings: list[str] = []
        for number in range(16, 40):
            streamed(
                client,
                thread,
                assistant,
                additional_messages=[{"role": "user", "content": f"{number}: " + "word " * 20}],
            )
            assert sent(model)[-1] == str(number)
            beginnings.append(sent(model)[0])
    assert beginnings == sorted(beginnings, key=int)
    # 48 messages came: the beginning moved a few times, not with each of them.
    assert 2 <= len(set(beginnings)) <= 5
