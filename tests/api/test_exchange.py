"""Messages that change places with those of another thread (docs/extensions.md)."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.pagination import SyncCursorPage
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run

from xiaozhi.chat_models.scripted import Hangs, Says, Scripted

BETA = {"OpenAI-Beta": "assistants=v2"}
AGAIN = {**BETA, "x-stainless-retry-count": "1"}


def exchange(
    client: OpenAI,
    thread: Thread,
    other: str,
    since: str | None,
    *,
    headers: Any = BETA,
    **more: Any,
) -> Thread:
    return client.post(
        f"/threads/{thread.id}/exchange",
        cast_to=Thread,
        body={"other_thread_id": other, "since": since, **more},
        options={"headers": headers},
    )


def said(client: OpenAI, thread: Thread) -> list[Message]:
    return list(client.beta.threads.messages.list(thread.id, order="asc"))


def texts(messages: list[Message]) -> list[str]:
    return ["".join(p.text.value for p in m.content if p.type == "text") for m in messages]


def talk(client: OpenAI, *words: str) -> tuple[Thread, list[Message]]:
    """A thread in which the person says these words."""
    messages: Any = [{"role": "user", "content": word} for word in words]
    thread = client.beta.threads.create(messages=messages)
    return thread, said(client, thread)


def poll(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=20)


def test_they_come_back_as_they_were(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    model.script = [Says("an answer"), Says("another"), Says("a third")]
    for words in ("first", "second"):
        client.beta.threads.messages.create(
            thread.id, role="user", content=words, metadata={"said": words}
        )
        poll(client, client.beta.threads.runs.create(thread.id, assistant_id=assistant.id))
    before = said(client, thread)
    beside = client.beta.threads.create()
    since = before[1].id
    new: Any = [{"role": "user", "content": "changed", "metadata": {"said": "changed"}}]
    answered = exchange(client, thread, beside.id, since, additional_messages=new)
    assert answered == client.beta.threads.retrieve(thread.id)
    assert texts(said(client, thread)) == ["你好", "changed"]
    assert texts(said(client, beside)) == ["first", "an answer", "second", "another"]
    # What has left is not in the prompt.
    poll(client, client.beta.threads.runs.create(thread.id, assistant_id=assistant.id))
    assert [asked["content"] for asked in model.requests[-1]["messages"]] == [
        "Be brief.",
        "你好",
        "changed",
    ]
    changed = said(client, thread)[1:]
    exchange(client, thread, beside.id, changed[0].id, messages=[m.id for m in before[1:]])
    assert said(client, thread) == before
    assert texts(said(client, beside)) == ["changed", "a third"]


def test_what_has_left_is_found_where_it_is(client: OpenAI):
    thread, (first, _second) = talk(client, "Wanderfalke", "Turmfalke")
    beside, _ = talk(client, "leer")
    exchange(client, thread, beside.id, first.id)

    def found(words: str) -> list[str]:
        page = client.get_api_list(
            "/threads",
            model=Thread,
            page=SyncCursorPage[Thread],
            options={"headers": BETA, "params": {"q": words}},
        )
        return [one.id for one in page if one.id in (thread.id, beside.id)]

    assert found("Wanderfalke") == found("Turmfalke") == [beside.id]
    assert said(client, thread) == []


def test_a_repeated_request_counts_once(client: OpenAI):
    thread, (_first, second) = talk(client, "one", "two")
    beside, (kept,) = talk(client, "kept")
    new: Any = [{"role": "user", "content": "new"}]
    for headers in (BETA, AGAIN):
        exchange(
            client,
            thread,
            beside.id,
            second.id,
            headers=headers,
            messages=[kept.id],
            additional_messages=new,
        )
    assert texts(said(client, thread)) == ["one", "kept", "new"]
    assert texts(said(client, beside)) == ["two"]
    with pytest.raises(NotFoundError):
        exchange(client, thread, beside.id, second.id)


def test_while_a_run_is_active_nothing_moves(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    beside, (other,) = talk(client, "beside")
    (message,) = said(client, thread)
    model.script = [Hangs()]
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    with pytest.raises(BadRequestError, match=f"while a run {run.id} is active"):
        exchange(client, thread, beside.id, message.id)
    with pytest.raises(BadRequestError, match=f"while a run {run.id} is active"):
        exchange(client, beside, thread.id, other.id)
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    poll(client, run)
    exchange(client, thread, beside.id, message.id)
    assert texts(said(client, beside)) == ["beside", "你好"]


def test_what_is_not_there_moves_nothing(client: OpenAI):
    thread, (first, second) = talk(client, "one", "two")
    beside, (kept,) = talk(client, "kept")
    for refused in (
        lambda: exchange(client, thread, "thread_none", first.id),
        lambda: exchange(client, thread, beside.id, kept.id),
        lambda: exchange(client, thread, beside.id, "msg_none"),
        lambda: exchange(client, thread, beside.id, first.id, messages=[kept.id, second.id]),
    ):
        with pytest.raises(NotFoundError, match="found with id"):
            refused()
    with pytest.raises(BadRequestError) as wrong:
        exchange(client, thread, thread.id, first.id)
    assert wrong.value.param == "other_thread_id"
    with pytest.raises(BadRequestError) as wrong:
        exchange(client, thread, beside.id, first.id, messages=[7])
    assert wrong.value.param == "messages[0]"
    assert said(client, thread) == [first, second]
    assert said(client, beside) == [kept]


def test_metadata_change_in_the_same_moment(client: OpenAI):
    thread, (question, answer) = talk(client, "question", "answer")
    beside, (earlier,) = talk(client, "earlier")
    client.beta.threads.messages.update(
        question.id, thread_id=thread.id, metadata={"feedback": "up", "version": "2"}
    )
    patches: Any = {
        question.id: {"version": "1", "of": "2"},
        answer.id: {"version": "2"},
        earlier.id: {"version": None},
    }
    exchange(client, thread, beside.id, answer.id, messages=[earlier.id], message_metadata=patches)
    asked, shown = said(client, thread)
    assert asked.metadata == {"feedback": "up", "version": "1", "of": "2"}
    assert (shown.id, shown.metadata) == (earlier.id, {})
    assert [message.metadata for message in said(client, beside)] == [{"version": "2"}]


def test_metadata_that_cannot_be_changed_moves_nothing(client: OpenAI):
    thread, (first, second) = talk(client, "one", "two")
    beside, (kept,) = talk(client, "kept")
    _elsewhere, (foreign,) = talk(client, "elsewhere")
    for id in (foreign.id, "msg_none"):
        with pytest.raises(NotFoundError, match=id):
            exchange(client, thread, beside.id, second.id, message_metadata={id: {"a": "b"}})
    too_many: Any = {second.id: {f"key {number}": "" for number in range(17)}}
    not_text: Any = {second.id: {"number": 7}}
    many: Any = {f"msg_{number}": {"a": "b"} for number in range(101)}
    for patches in (too_many, not_text, many):
        with pytest.raises(BadRequestError):
            exchange(client, thread, beside.id, second.id, message_metadata=patches)
    assert said(client, thread) == [first, second]
    assert said(client, beside) == [kept]


def test_a_thread_that_has_gone_on_is_left_as_it_is(client: OpenAI):
    """Whoever has looked before must not take away what came since."""
    thread, (first, second) = talk(client, "one", "two")
    beside, _ = talk(client, "kept")
    client.beta.threads.messages.create(thread.id, role="user", content="since")
    with pytest.raises(BadRequestError) as refused:
        exchange(client, thread, beside.id, second.id, until=second.id)
    assert (refused.value.param, refused.value.code) == ("until", "thread_has_changed")
    messages = said(client, thread)
    assert messages[:2] == [first, second]
    assert texts(messages) == ["one", "two", "since"]
    exchange(client, thread, beside.id, second.id, until=messages[-1].id)
    assert texts(said(client, beside)) == ["kept", "two", "since"]


def test_messages_come_in_where_none_leaves(client: OpenAI):
    thread, (question,) = talk(client, "question")
    beside, (one, two) = talk(client, "one", "two")
    for headers in (BETA, AGAIN):
        exchange(client, thread, beside.id, None, headers=headers, messages=[two.id])
    assert [message.id for message in said(client, thread)] == [question.id, two.id]
    assert [message.id for message in said(client, beside)] == [one.id]
    with pytest.raises(BadRequestError) as refused:
        exchange(client, thread, beside.id, None)
    assert (refused.value.param, refused.value.code) == ("since", "missing_required_parameter")
