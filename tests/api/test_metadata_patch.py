"""Single keys of metadata are changed without touching the others (docs/extensions.md)."""

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from openai.pagination import SyncCursorPage
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message

from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Hangs, Scripted

BETA = {"OpenAI-Beta": "assistants=v2"}


def patch(client: OpenAI, thread: Thread, changes: Any) -> Thread:
    return client.patch(
        f"/threads/{thread.id}/metadata",
        cast_to=Thread,
        body=changes,
        options={"headers": BETA},
    )


def patch_message(client: OpenAI, message: Message, changes: Any) -> Message:
    return client.patch(
        f"/threads/{message.thread_id}/messages/{message.id}/metadata",
        cast_to=Message,
        body=changes,
        options={"headers": BETA},
    )


def list_ids(client: OpenAI, **params: Any) -> list[str]:
    page = client.get_api_list(
        "/threads",
        model=Thread,
        page=SyncCursorPage[Thread],
        options={"headers": BETA, "params": params},
    )
    return [thread.id for thread in page]


def test_keys_are_set_replaced_and_removed(client: OpenAI):
    thread = client.beta.threads.create(metadata={"colour": "red", "size": "1", "shape": "round"})
    changed = patch(client, thread, {"colour": "blue", "size": None, "taste": "", "smell": None})
    assert changed.metadata == {"colour": "blue", "shape": "round", "taste": ""}
    assert client.beta.threads.retrieve(thread.id) == changed
    assert patch(client, thread, {}) == changed
    assert patch(client, thread, dict.fromkeys(["colour", "shape", "taste"])).metadata == {}


def test_a_message_has_the_same(client: OpenAI, thread: Thread):
    message = client.beta.threads.messages.create(
        thread.id, role="user", content="hi", metadata={"vote": "up", "versions": "2"}
    )
    changed = patch_message(client, message, {"vote": None, "note": "n"})
    assert changed.metadata == {"versions": "2", "note": "n"}
    assert client.beta.threads.messages.retrieve(message.id, thread_id=thread.id) == changed


def test_many_clients_lose_nothing(server: Running, client: OpenAI, thread: Thread):
    message = client.beta.threads.messages.create(thread.id, role="user", content="hi")
    paths = [
        f"/threads/{thread.id}/metadata",
        f"/threads/{thread.id}/messages/{message.id}/metadata",
    ]

    async def all_at_once(asynchronous: AsyncOpenAI) -> None:
        async with asynchronous:
            await asyncio.gather(
                *(
                    asynchronous.patch(
                        path,
                        cast_to=object,
                        body={f"key {number}": str(number)},
                        options={"headers": BETA},
                    )
                    for path in paths
                    for number in range(16)
                )
            )

    # Made outside of the loop: it reads certificates from the disk.
    asyncio.run(all_at_once(AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0)))
    everything = {f"key {number}": str(number) for number in range(16)}
    assert client.beta.threads.retrieve(thread.id).metadata == everything
    kept = client.beta.threads.messages.retrieve(message.id, thread_id=thread.id)
    assert kept.metadata == everything


def test_the_list_finds_what_was_patched(client: OpenAI):
    thread = client.beta.threads.create(metadata={"title": "Steinkauz", "colour": "red"})
    patch(client, thread, {"title": "Raufußkauz", "colour": "patched blue", "size": "9"})
    assert thread.id in list_ids(client, q="raufußkauz")
    assert thread.id not in list_ids(client, q="steinkauz")
    assert list_ids(client, metadata={"colour": "patched blue", "size": "9"}) == [thread.id]
    patch(client, thread, {"colour": None})
    assert list_ids(client, metadata={"colour": "patched blue"}) == []


def test_the_limits_hold_for_the_result(client: OpenAI):
    full = {f"key {number}": "v" for number in range(16)}
    thread = client.beta.threads.create(metadata=full)
    for changes, param, code in (
        ({"one more": "v"}, "metadata", "object_above_max_properties"),
        ({"k" * 65: "v", "key 1": None}, "metadata", "property_name_above_max_length"),
        ({"key 1": "v" * 513}, "key 1", "string_above_max_length"),
        ({"key 1": 7}, "key 1", "invalid_type"),
        ({"key 1": {"deep": "v"}}, "key 1", "invalid_type"),
        ("text", None, None),
        (None, None, None),
    ):
        with pytest.raises(BadRequestError) as refused:
            patch(client, thread, changes)
        error: Any = refused.value.body
        assert (error["param"], error["code"]) == (param, code)
    assert client.beta.threads.retrieve(thread.id).metadata == full
    # One goes, another comes: 16 as before.
    changed = patch(client, thread, {"key 1": None, "one more": "v"})
    assert set(changed.metadata or {}) == {*full, "one more"} - {"key 1"}


def test_what_is_not_there_has_none(client: OpenAI, thread: Thread):
    with pytest.raises(NotFoundError, match="No thread found with id 'thread_none'"):
        client.patch("/threads/thread_none/metadata", cast_to=Thread, body={}, options=options())
    path = f"/threads/{thread.id}/messages/msg_none/metadata"
    with pytest.raises(NotFoundError, match="No message found with id 'msg_none'"):
        client.patch(path, cast_to=Message, body={"a": "b"}, options=options())


def options() -> Any:
    return {"headers": BETA}


def test_a_run_and_its_lock_do_not_matter(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    model.script = [Hangs()]
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    waiting = client.beta.threads.messages.create(
        thread.id,
        role="user",
        content="later",
        metadata={"waits": run.id},
        extra_headers={"Xiaozhi-When-Locked": "wait"},
    )
    assert patch(client, thread, {"title": "t"}).metadata == {"title": "t"}
    assert patch_message(client, waiting, {"vote": "up"}).metadata == {
        "waits": run.id,
        "vote": "up",
    }
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    client.beta.threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=20)
    kept = client.beta.threads.messages.retrieve(waiting.id, thread_id=thread.id)
    assert kept.metadata == {"waits": run.id, "vote": "up"}


def test_a_patch_can_depend_on_what_is_there(client: OpenAI):
    thread = client.beta.threads.create(metadata={"title": "Draft", "empty": ""})

    def patch_if(only_if: dict[str, str], changes: Any) -> Thread:
        return client.patch(
            f"/threads/{thread.id}/metadata",
            cast_to=Thread,
            body=changes,
            options={"headers": BETA, "params": {"metadata": only_if}},
        )

    for only_if in ({"title": "Another"}, {"title": ""}, {"title": "Draft", "none": "x"}):
        with pytest.raises(BadRequestError) as refused:
            patch_if(only_if, {"title": "New"})
        assert refused.value.code == "metadata_has_changed"
    assert client.beta.threads.retrieve(thread.id) == thread
    changed = patch_if({"title": "Draft", "none": "", "empty": ""}, {"title": "New"})
    assert changed.metadata == {"title": "New", "empty": ""}
    with pytest.raises(BadRequestError):
        patch_if({"title": "Draft"}, {"title": "Newer"})
