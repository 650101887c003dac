"""/threads and what lies in them, through the official SDK (contract 5 and 6)."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Thread


def test_a_thread_needs_nothing(client: OpenAI):
    made = client.beta.threads.create()
    assert made.to_dict() == {
        "id": made.id,
        "object": "thread",
        "created_at": made.created_at,
        "metadata": {},
        "tool_resources": {},
    }
    assert client.beta.threads.retrieve(made.id) == made
    assert client.beta.threads.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.beta.threads.retrieve(made.id).metadata == {"a": "b"}


def test_a_thread_begins_with_its_messages_in_order(client: OpenAI):
    made = client.beta.threads.create(
        messages=[{"role": "user", "content": "你好"}, {"role": "assistant", "content": "hello"}],
        metadata={"from": "test"},
    )
    messages = client.beta.threads.messages.list(made.id, order="asc").data
    assert [(message.role, _text(message)) for message in messages] == [
        ("user", "你好"),
        ("assistant", "hello"),
    ]


def test_a_message_has_all_its_fields(client: OpenAI, thread: Thread):
    made = client.beta.threads.messages.create(thread.id, role="user", content="in 2 parts")
    assert made.to_dict() == {
        "id": made.id,
        "object": "thread.message",
        "created_at": made.created_at,
        "thread_id": thread.id,
        "status": "completed",
        "incomplete_details": None,
        "completed_at": made.created_at,
        "incomplete_at": None,
        "role": "user",
        "content": [{"type": "text", "text": {"value": "in 2 parts", "annotations": []}}],
        "assistant_id": None,
        "run_id": None,
        "attachments": [],
        "metadata": {},
    }
    assert client.beta.threads.messages.retrieve(made.id, thread_id=thread.id) == made


def test_parts_of_a_message_come_back_as_they_were_sent(client: OpenAI, thread: Thread):
    parts: Any = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]
    made = client.beta.threads.messages.create(thread.id, role="user", content=parts)
    assert made.to_dict()["content"] == [
        {"type": "text", "text": {"value": "look", "annotations": []}},
        parts[1],
    ]


def test_metadata_of_a_message_can_change_and_its_text_cannot(client: OpenAI, thread: Thread):
    [message] = client.beta.threads.messages.list(thread.id).data
    changed = client.beta.threads.messages.update(
        message.id, thread_id=thread.id, metadata={"stars": "5"}
    )
    assert changed.metadata == {"stars": "5"}
    assert _text(changed) == "你好"
    with pytest.raises(BadRequestError, match="Unknown parameter: 'content'"):
        client.beta.threads.messages.update(
            message.id, thread_id=thread.id, extra_body={"content": "no"}
        )


def test_a_deleted_message_is_gone(client: OpenAI, thread: Thread):
    [message] = client.beta.threads.messages.list(thread.id).data
    deleted = client.beta.threads.messages.delete(message.id, thread_id=thread.id)
    assert deleted.object == "thread.message.deleted"
    with pytest.raises(NotFoundError, match=f"No message found with id '{message.id}'"):
        client.beta.threads.messages.retrieve(message.id, thread_id=thread.id)


def test_a_deleted_thread_takes_its_messages_along(client: OpenAI, thread: Thread):
    deleted = client.beta.threads.delete(thread.id)
    assert deleted.to_dict() == {"id": thread.id, "object": "thread.deleted", "deleted": True}
    with pytest.raises(NotFoundError, match=f"No thread found with id '{thread.id}'"):
        client.beta.threads.messages.list(thread.id)


def test_messages_of_another_thread_are_not_found(client: OpenAI, thread: Thread):
    [message] = client.beta.threads.messages.list(thread.id).data
    other = client.beta.threads.create()
    with pytest.raises(NotFoundError, match="No message found"):
        client.beta.threads.messages.retrieve(message.id, thread_id=other.id)


def test_an_empty_list_has_no_ids(client: OpenAI):
    page = client.beta.threads.messages.with_raw_response.list(client.beta.threads.create().id)
    assert page.http_response.json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_every_message_of_a_long_thread_is_found_by_paging(client: OpenAI):
    said: Any = [{"role": "user", "content": str(number)} for number in range(45)]
    thread = client.beta.threads.create(messages=said)
    found = [_text(message) for message in client.beta.threads.messages.list(thread.id, limit=20)]
    assert found == [str(number) for number in reversed(range(45))]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"role": "user", "content": ""}, "content", "empty_string"),
        ({"role": "user", "content": []}, "content", "array_below_min_length"),
        ({"role": "user", "content": "x" * 256_001}, "content", "string_above_max_length"),
        ({"role": "boss", "content": "x"}, "role", "invalid_value"),
        ({"role": "user", "content": 5}, "content", "invalid_type"),
        (
            {"role": "user", "content": [{"type": "text", "txt": "a"}]},
            "content[0].txt",
            "unknown_parameter",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": 3}]},
            "content[0].text",
            "invalid_type",
        ),
        (
            {"role": "user", "content": [{"text": "a"}]},
            "content[0].type",
            "missing_required_parameter",
        ),
        ({"role": "user"}, "content", "missing_required_parameter"),
    ],
)
def test_a_bad_message_is_refused_and_nothing_is_kept(
    client: OpenAI, thread: Thread, body: dict[str, Any], param: str, code: str
):
    with pytest.raises(BadRequestError) as refused:
        client.post(
            f"/threads/{thread.id}/messages",
            body=body,
            cast_to=object,
            options={"headers": {"OpenAI-Beta": "assistants=v2"}},
        )
    assert (refused.value.param, refused.value.code) == (param, code)
    assert len(client.beta.threads.messages.list(thread.id).data) == 1


def test_a_bad_message_keeps_its_thread_from_being_made(client: OpenAI):
    bad: Any = [{"role": "user", "content": "fine"}, {"role": "user", "content": ""}]
    with pytest.raises(BadRequestError) as refused:
        client.beta.threads.create(messages=bad)
    assert refused.value.param == "messages[1].content"


def test_a_message_for_no_thread_is_told_so(client: OpenAI):
    with pytest.raises(NotFoundError, match="No thread found with id 'thread_no'"):
        client.beta.threads.messages.create("thread_no", role="user", content="hello?")


def _text(message: Any) -> str:
    return message.content[0].text.value
