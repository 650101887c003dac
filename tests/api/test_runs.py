"""Runs through the official SDK: streamed, polled, cancelled, failed (contract 7, 8 and 9)."""

import time
from pathlib import Path
from typing import Any

import pytest
from openai import AssistantEventHandler, BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.assistant_stream_event import ThreadMessageDelta
from openai.types.beta.threads import Run

from tests.running import Running, running
from xiaozhi.chat_models.scripted import Hangs, Says, Scripted

AT_A_TIME = 120  # runs: more than an HTTP client opens connections by itself
TEXT_RUN = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
]


def streamed(client: OpenAI, thread: Thread, assistant: Assistant, **more: Any) -> list[Any]:
    """All events of a run."""
    stream = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True, **more
    )
    return list(stream)


def names(events: list[Any]) -> list[str]:
    """Their names in order, deltas that follow one another counted once."""
    found: list[str] = []
    for event in events:
        if event.event != "thread.message.delta" or found[-1] != event.event:
            found.append(event.event)
    return found


def ended(client: OpenAI, run: Run) -> Run:
    """The run once it is over, polled as the tutorial did."""
    while run.status in ("queued", "in_progress", "cancelling"):
        time.sleep(0.02)
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    return run


def text_of_last(client: OpenAI, thread_id: str) -> str:
    [message] = client.beta.threads.messages.list(thread_id, limit=1).data
    [part] = message.content
    assert part.type == "text"
    return part.text.value


def test_a_streamed_run_tells_everything_in_order(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(["你", "好", "！"], pause=0.05)]
    events = streamed(client, thread, assistant)
    assert names(events) == TEXT_RUN
    deltas = [event for event in events if isinstance(event, ThreadMessageDelta)]
    assert [event.data.to_dict()["delta"] for event in deltas] == [
        {"content": [{"index": 0, "type": "text", "text": {"value": "你", "annotations": []}}]},
        {"content": [{"index": 0, "type": "text", "text": {"value": "好"}}]},
        {"content": [{"index": 0, "type": "text", "text": {"value": "！"}}]},
    ]
    run = events[-1].data
    assert run.status == "completed"
    assert run.expires_at is None
    assert run.usage.model_dump() == {
        "prompt_tokens": 3,
        "completion_tokens": 3,
        "total_tokens": 6,
    }
    assert text_of_last(client, thread.id) == "你好！"


def test_the_message_and_the_step_know_their_run(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    [message] = client.beta.threads.messages.list(thread.id, run_id=run.id).data
    assert (message.run_id, message.assistant_id) == (run.id, assistant.id)
    assert (message.role, message.status) == ("assistant", "completed")
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.step_details.type == "message_creation"
    assert step.step_details.message_creation.message_id == message.id
    assert step.status == "completed"
    assert step.usage
    assert run.usage
    assert step.usage.total_tokens == run.usage.total_tokens
    same = client.beta.threads.runs.steps.retrieve(step.id, run_id=run.id, thread_id=thread.id)
    assert same == step


def test_the_model_sees_instructions_and_the_whole_thread(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    thread = client.beta.threads.create(
        messages=[
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            },
        ]
    )
    streamed(
        client,
        thread,
        assistant,
        additional_instructions="And kind.",
        additional_messages=[{"role": "user", "content": "well?"}],
        temperature=0.5,
    )
    [request] = model.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief.\nAnd kind."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "https://example.com/a.png", "detail": "auto"},
                },
            ],
        },
        {"role": "user", "content": "well?"},
    ]
    assert request["temperature"] == 0.5
    assert request["stream"] is True


def test_only_the_newest_messages_are_sent_where_that_was_asked(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    said = [{"role": "user", "content": str(number)} for number in range(30)]
    thread = client.beta.threads.create(messages=said)  # type: ignore[arg-type]  # plain dicts
    strategy: Any = {"type": "last_messages", "last_messages": 3}
    streamed(client, thread, assistant, truncation_strategy=strategy)
    contents = [message["content"] for message in model.requests[0]["messages"]]
    assert contents == ["Be brief.", "27", "28", "29"]


def test_a_run_keeps_what_the_assistant_was(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("slow", think=0.3)]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    client.beta.assistants.update(assistant.id, instructions="Be long.")
    client.beta.assistants.delete(assistant.id)
    run = ended(client, run)
    assert (run.status, run.instructions) == ("completed", "Be brief.")


def test_the_helpers_of_the_sdk_work(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    heard: list[str] = []

    class Handler(AssistantEventHandler):
        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            heard.append(delta.value)

    model.script = [Says("one two three"), Says("four"), Says("five")]
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()
    ) as stream:
        stream.until_done()
        [message] = stream.get_final_messages()
        assert stream.get_final_run().status == "completed"
        assert len(stream.get_final_run_steps()) == 1
    assert "".join(heard) == "one two three"
    assert message.content[0].type == "text"

    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "hi"}]},
        poll_interval_ms=20,
    )
    assert run.status == "completed"
    assert text_of_last(client, run.thread_id) == "four"

    with client.beta.threads.create_and_run_stream(assistant_id=assistant.id) as stream:
        assert next(iter(stream)).event == "thread.created"


def test_a_run_outlives_its_listener(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one two three", pause=0.1)]
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        next(iter(stream))  # and leave
        run = stream.current_run
    assert run
    assert ended(client, run).status == "completed"
    assert text_of_last(client, thread.id) == "one two three"


def test_a_message_keeps_the_metadata_that_it_gets_while_it_is_being_said(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    said = ['"metadata":{} ', *["one "] * 30]
    model.script = [Says(said, pause=0.05)]
    given: dict[str, str] = {}
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        for event in stream:
            if event.event == "thread.message.delta" and not given:
                given = {"stars": "5"}
                messages = client.beta.threads.messages
                messages.update(event.data.id, thread_id=thread.id, metadata=given)
    [message] = client.beta.threads.messages.list(thread.id, limit=1).data
    assert message.metadata == given
    assert text_of_last(client, thread.id) == "".join(said)


def test_while_a_run_is_active_the_thread_is_locked(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Hangs()]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    said = f"Can't add messages to {thread.id} while a run {run.id} is active."
    with pytest.raises(BadRequestError, match=said) as refused:
        client.beta.threads.messages.create(thread.id, role="user", content="and?")
    assert refused.value.code is None
    said = f"Thread {thread.id} already has an active run {run.id}."
    with pytest.raises(BadRequestError, match=said):
        client.beta.threads.runs.create(
            thread_id=thread.id,
            assistant_id=assistant.id,
            additional_messages=[{"role": "user", "content": "lost?"}],
        )
    assert len(client.beta.threads.messages.list(thread.id).data) == 1
    client.beta.threads.update(thread.id, metadata={"still": "works"})
    client.beta.threads.runs.update(run.id, thread_id=thread.id, metadata={"also": "this"})
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    run = ended(client, run)
    assert run.metadata == {"also": "this"}
    client.beta.threads.messages.create(thread.id, role="user", content="and?")


def test_as_many_answers_come_at_a_time_as_are_asked_for(tmp_path: Path):
    model = Scripted(otherwise=Says("in a minute", think=60))
    with (
        model.served() as url,
        running(tmp_path, model_url=url) as server,
        server.client() as client,
    ):
        assistant = client.beta.assistants.create(model="scripted", instructions="Go on.")
        for _ in range(AT_A_TIME):
            client.beta.threads.create_and_run(assistant_id=assistant.id)

        # None waits for another to end: that would be in a minute.
        give_up = time.monotonic() + 20
        while len(model.requests) < AT_A_TIME and time.monotonic() < give_up:
            time.sleep(0.02)
        assert len(model.requests) == AT_A_TIME


def test_what_a_run_needs_must_be_there(client: OpenAI, assistant: Assistant, thread: Thread):
    with pytest.raises(NotFoundError, match="No assistant found with id 'asst_no'"):
        client.beta.threads.runs.create(thread_id=thread.id, assistant_id="asst_no")
    with pytest.raises(NotFoundError, match="No thread found with id 'thread_no'"):
        client.beta.threads.runs.create(thread_id="thread_no", assistant_id=assistant.id)
    other = client.beta.threads.create()
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    with pytest.raises(NotFoundError, match=f"No run found with id '{run.id}'"):
        client.beta.threads.runs.retrieve(run.id, thread_id=other.id)


def test_a_poller_is_told_when_to_come_again(client: OpenAI, assistant: Assistant, thread: Thread):
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    answer = client.beta.threads.runs.with_raw_response.retrieve(run.id, thread_id=thread.id)
    assert 100 <= int(answer.headers["openai-poll-after-ms"]) <= 500


def test_runs_are_listed_newest_first(client: OpenAI, assistant: Assistant, thread: Thread):
    ids = [
        client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        ).id
        for _ in range(3)
    ]
    assert [run.id for run in client.beta.threads.runs.list(thread.id, limit=2)] == ids[::-1]


def test_strict_clients_accept_what_we_send(
    server: Running, model: Scripted, assistant: Assistant, thread: Thread
):
    with server.client(_strict_response_validation=True) as strict:
        strict.beta.assistants.retrieve(assistant.id)
        strict.beta.threads.retrieve(thread.id)
        run = strict.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )
        assert run.status == "completed"
        assert len(strict.beta.threads.messages.list(thread.id).data) == 2
        assert len(strict.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data) == 1
        strict.models.list()


def test_what_to_include_is_checked(client: OpenAI, assistant: Assistant, thread: Thread):
    good: Any = ["step_details.tool_calls[*].file_search.results[*].content"]
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20, include=good
    )
    steps = client.beta.threads.runs.steps
    [step] = steps.list(run.id, thread_id=thread.id, include=good).data
    steps.retrieve(step.id, run_id=run.id, thread_id=thread.id, include=good)
    bad: Any = ["everything"]
    with pytest.raises(BadRequestError) as refused:
        steps.list(run.id, thread_id=thread.id, include=bad)
    assert (refused.value.code, refused.value.param) == ("invalid_value", "include[0]")
