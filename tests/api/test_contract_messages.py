"""Messages while a run writes them, after it was cut short, and from other clients (contract 6)."""

from typing import Any

import pytest
from openai import NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_functions import PARIS, WEATHER, asking
from tests.api.test_runs import streamed, text_of_last
from xiaozhi.chat_models.scripted import Calls, Says, Scripted


def test_a_message_can_be_read_while_it_is_written(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(["word "] * 20, pause=0.02)]
    messages = client.beta.threads.messages
    seen: list[str] = []
    with client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True
    ) as stream:
        for event in stream:
            if event.event == "thread.message.created":
                [written] = messages.list(thread.id, limit=1).data
                assert (written.id, written.status) == (event.data.id, "in_progress")
                assert (written.role, written.completed_at) == ("assistant", None)
                seen.append(written.id)
    [id] = seen
    assert messages.retrieve(id, thread_id=thread.id).status == "completed"
    assert text_of_last(client, thread.id) == "word " * 20


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [("length", "max_tokens"), ("content_filter", "content_filter"), (None, "run_failed")],
)
def test_a_message_that_was_cut_says_why_and_the_model_reads_it(
    client: OpenAI,
    model: Scripted,
    assistant: Assistant,
    thread: Thread,
    finish_reason: str | None,
    reason: str,
):
    model.script = [Says("half of it", finish_reason=finish_reason)]
    streamed(client, thread, assistant)
    [message] = client.beta.threads.messages.list(thread.id, limit=1).data
    assert message.status == "incomplete"
    assert message.incomplete_details
    assert message.incomplete_details.reason == reason
    assert (message.completed_at, message.incomplete_at is not None) == (None, True)
    streamed(client, thread, assistant)
    assert model.requests[-1]["messages"][-1] == {"role": "assistant", "content": "half of it"}


def test_nulls_in_a_message_mean_not_given(client: OpenAI, thread: Thread):
    messages: Any = client.beta.threads.messages
    made = messages.create(
        thread.id, role="assistant", content="I said that.", attachments=None, metadata=None
    )
    assert (made.attachments, made.metadata) == ([], {})
    # Posted by the client: no run made it.
    assert (made.role, made.assistant_id, made.run_id) == ("assistant", None, None)
    threads: Any = client.beta.threads
    empty = threads.create(messages=None, metadata=None, tool_resources=None)
    assert (empty.metadata, messages.list(empty.id).data) == ({}, [])


def test_empty_tool_resources_are_none(client: OpenAI, assistant: Assistant, thread: Thread):
    made = client.beta.assistants.create(model="scripted", tool_resources={})
    assert made.to_dict()["tool_resources"] == {}
    assert client.beta.threads.create(tool_resources={}).to_dict()["tool_resources"] == {}
    client.beta.threads.update(thread.id, tool_resources={})
    client.beta.assistants.update(assistant.id, tool_resources={})


def test_a_picture_has_its_detail_filled_in(client: OpenAI, thread: Thread):
    parts: Any = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    made = client.beta.threads.messages.create(thread.id, role="user", content=parts)
    assert made.to_dict()["content"] == [
        {"type": "image_url", "image_url": {**parts[0]["image_url"], "detail": "auto"}}
    ]


def test_only_the_messages_of_one_run_are_listed(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one"), Says("two")]
    first, second = (streamed(client, thread, assistant)[0].data for _ in range(2))
    for run, words in ((first, "one"), (second, "two")):
        [message] = client.beta.threads.messages.list(thread.id, run_id=run.id).data
        assert message.run_id == run.id
        assert message.content[0].to_dict() == {
            "type": "text",
            "text": {"value": words, "annotations": []},
        }
    assert len(client.beta.threads.messages.list(thread.id).data) == 3


def test_a_turn_that_spoke_and_called_is_counted_once(
    client: OpenAI, model: Scripted, thread: Thread
):
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    model.script = [Calls([("weather", PARIS)], text="Let me look.")]
    run = asking(client, thread, assistant)
    cancelled = client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert [(step.type, step.usage is None) for step in steps] == [
        ("message_creation", True),
        ("tool_calls", False),
    ]
    assert cancelled.usage
    assert steps[1].usage
    assert cancelled.usage.to_dict() == steps[1].usage.to_dict()


def test_a_step_that_is_not_there_is_told_so(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    run = streamed(client, thread, assistant)[0].data
    other = streamed(client, client.beta.threads.create(messages=[]), assistant)[0].data
    [step] = client.beta.threads.runs.steps.list(other.id, thread_id=other.thread_id).data
    for id in ("step_no", step.id):
        with pytest.raises(NotFoundError, match=f"No run step found with id '{id}'"):
            client.beta.threads.runs.steps.retrieve(id, run_id=run.id, thread_id=thread.id)
