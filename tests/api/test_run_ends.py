"""How runs end that do not simply complete: cancelled, deleted, failed, cut off, without words."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_runs import TEXT_RUN, ended, names, streamed, text_of_last
from xiaozhi.chat_models.scripted import Fails, Hangs, Says, Scripted


def test_a_cancelled_run_keeps_what_was_said(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(["one "] * 1000, pause=0.01)]
    stream = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True
    )
    events: list[Any] = []
    for event in stream:
        events.append(event)
        if len(events) == 12:
            cancelling = client.beta.threads.runs.cancel(_run(events).id, thread_id=thread.id)
            assert cancelling.status == "cancelling"
    assert [name for name in names(events) if name != "thread.message.delta"] == [
        *TEXT_RUN[:7],
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    [message] = client.beta.threads.messages.list(thread.id, limit=1).data
    assert message.status == "incomplete"
    assert message.incomplete_details
    assert message.incomplete_details.reason == "run_cancelled"
    assert text_of_last(client, thread.id).startswith("one one ")
    [step] = client.beta.threads.runs.steps.list(_run(events).id, thread_id=thread.id).data
    assert step.status == "cancelled"
    # And the thread goes on.
    assert names(streamed(client, thread, assistant)) == TEXT_RUN


def _run(events: list[Any]) -> Run:
    return next(event.data for event in events if event.event == "thread.run.created")


def test_a_run_can_be_cancelled_before_the_model_says_anything(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Hangs()]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    run = ended(client, run)
    assert run.status == "cancelled"
    assert run.cancelled_at
    assert run.usage
    assert run.usage.total_tokens == 0
    with pytest.raises(BadRequestError, match="Cannot cancel run with status 'cancelled'"):
        client.beta.threads.runs.cancel(run.id, thread_id=thread.id)


def test_deleting_a_thread_ends_its_run(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(["word "] * 100, pause=0.02)]
    stream = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True
    )
    events: list[Any] = []
    for event in stream:
        events.append(event)
        if len(events) == 10:
            assert client.beta.threads.delete(thread.id).deleted
    assert events[-1].event == "thread.run.cancelled"
    with pytest.raises(NotFoundError, match=f"No thread found with id '{thread.id}'"):
        client.beta.threads.runs.retrieve(_run(events).id, thread_id=thread.id)


def test_a_message_that_a_run_is_writing_cannot_be_deleted_and_afterwards_stays_deleted(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one two three", can_be_held=True)]
    with model.held():
        stream = client.beta.threads.runs.create(
            thread_id=thread.id, assistant_id=assistant.id, stream=True
        )
        created = next(event for event in stream if event.event == "thread.message.created")
        with pytest.raises(BadRequestError, match=r"Can't delete message .* is writing it"):
            client.beta.threads.messages.delete(created.data.id, thread_id=thread.id)
    assert list(stream)[-1].event == "thread.run.completed"
    assert client.beta.threads.messages.delete(created.data.id, thread_id=thread.id).deleted
    assert [message.role for message in client.beta.threads.messages.list(thread.id)] == ["user"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (Fails(401, "no such key"), "server_error", "refused the key: no such key"),
        (Fails(404, "no such model"), "server_error", "does not know this model: no such model"),
        (Fails(400, "bad temperature"), "invalid_prompt", "refused the request: bad temperature"),
        (
            Fails(429, "slow down", headers=(("x-should-retry", "false"),)),
            "rate_limit_exceeded",
            "too many requests: slow down",
        ),
        (
            Fails(503, "overloaded", headers=(("x-should-retry", "false"),)),
            "server_error",
            "The model endpoint failed: overloaded",
        ),
        (
            Fails(400, "maximum context length is 8", code="context_length_exceeded"),
            "invalid_prompt",
            "does not fit into the model's context",
        ),
        (Says("half of it", finish_reason=None), "server_error", "broke off"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_failing_model_fails_the_run_and_not_the_thread(
    client: OpenAI,
    model: Scripted,
    assistant: Assistant,
    thread: Thread,
    line: Fails | Says,
    code: str,
    words: str,
):
    model.script = [line]
    events = streamed(client, thread, assistant)
    assert events[-1].event == "thread.run.failed"
    error = events[-1].data.last_error
    assert error.code == code
    assert words in error.message
    if isinstance(line, Says):
        assert names(events)[-3:] == [
            "thread.message.incomplete",
            "thread.run.step.failed",
            "thread.run.failed",
        ]
        assert text_of_last(client, thread.id) == "half of it"
    assert names(streamed(client, thread, assistant)) == TEXT_RUN


def test_a_passing_failure_of_the_model_is_tried_again(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Fails(500), Says("here I am")]
    assert names(streamed(client, thread, assistant)) == TEXT_RUN
    assert len(model.requests) == 2


def test_an_answer_that_hits_the_limit_is_incomplete(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("cut off", finish_reason="length")]
    events = streamed(client, thread, assistant, max_completion_tokens=256)
    assert names(events) == [
        *TEXT_RUN[:8],
        "thread.message.incomplete",
        "thread.run.step.completed",
        "thread.run.incomplete",
    ]
    run = events[-1].data
    assert run.incomplete_details.reason == "max_completion_tokens"
    assert model.requests[0]["max_tokens"] == 256


def test_an_answer_without_words_is_complete_too(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says([])]
    events = streamed(client, thread, assistant)
    assert names(events) == [*TEXT_RUN[:3], "thread.run.completed"]
    assert len(client.beta.threads.messages.list(thread.id).data) == 1
