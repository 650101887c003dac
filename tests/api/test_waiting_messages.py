"""Messages that wait for the lock, and messages that are sent again (docs/extensions.md)."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run

from tests.process.processes import started
from tests.running import Running, running
from xiaozhi import store
from xiaozhi.chat_models.scripted import Fails, Hangs, Line, Says, Scripted
from xiaozhi.store import Connection, changed

WAIT = {"Xiaozhi-When-Locked": "wait"}
AGAIN = {"x-stainless-retry-count": "1"}


def post(client: OpenAI, thread_id: str, words: str, **headers: str) -> Message:
    return client.beta.threads.messages.create(
        thread_id, role="user", content=words, extra_headers={**WAIT, **headers}
    )


def texts(client: OpenAI, thread_id: str) -> list[str]:
    """What was said, oldest first."""
    return [
        "".join(part.text.value for part in message.content if part.type == "text")
        for message in client.beta.threads.messages.list(thread_id, order="asc")
    ]


def poll(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=20)


def start(client: OpenAI, thread: Thread, assistant: Assistant) -> Run:
    return client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)


@pytest.fixture
def held(client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant) -> Run:
    """A run that holds its thread until it is cancelled."""
    model.script = [Hangs()]
    return start(client, thread, assistant)


def end(client: OpenAI, run: Run) -> None:
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    assert poll(client, run).status == "cancelled"


def test_what_waits_comes_behind_the_answer_in_the_order_in_which_it_was_posted(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    model.script = [Says("the answer is 42", pause=0.2), Says("and so on")]
    run = start(client, thread, assistant)
    first = post(client, thread.id, "first")
    second = post(client, thread.id, "second")
    assert (first.status, first.run_id, first.role) == ("completed", None, "user")
    assert "first" not in texts(client, thread.id)
    assert poll(client, run).status == "completed"
    assert texts(client, thread.id) == ["你好", "the answer is 42", "first", "second"]
    assert client.beta.threads.messages.retrieve(first.id, thread_id=thread.id) == first
    assert second.id == client.beta.threads.messages.list(thread.id, limit=1).data[0].id
    assert [message["content"] for message in model.requests[0]["messages"]] == [
        "Be brief.",
        "你好",
    ]
    poll(client, start(client, thread, assistant))
    said = [message["content"] for message in model.requests[1]["messages"]]
    assert said == ["Be brief.", "你好", "the answer is 42", "first", "second"]


def test_they_are_there_the_moment_the_lock_is_off(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    model.script = [Says("quick", think=0.3)]
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        for event in stream:
            if event.event == "thread.run.in_progress":
                post(client, thread.id, "and?")
            if event.event == "thread.run.completed":
                assert texts(client, thread.id) == ["你好", "quick", "and?"]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        # Asked again after it hung up
        ([Hangs(0.3), Fails(400, "no")], "failed"),
        ([Says("half a", think=0.3, finish_reason="length")], "incomplete"),
    ],
)
def test_any_end_lets_them_in(
    client: OpenAI,
    model: Scripted,
    thread: Thread,
    assistant: Assistant,
    script: list[Line],
    status: str,
):
    model.script = [*script]
    run = start(client, thread, assistant)
    post(client, thread.id, "still there?")
    assert poll(client, run).status == status
    assert texts(client, thread.id)[-1] == "still there?"


def test_a_cancelled_run_lets_them_in(client: OpenAI, held: Run):
    post(client, held.thread_id, "never mind")
    end(client, held)
    assert texts(client, held.thread_id) == ["你好", "never mind"]


def test_an_expired_run_lets_them_in(
    tmp_path: Path, model_server: tuple[Scripted, str], model: Scripted
):
    model.script = [Hangs()]
    with running(tmp_path, model_url=model_server[1], run_expires_after=1) as server:
        client = server.client()
        thread = client.beta.threads.create()
        run = start(
            client, thread, client.beta.assistants.create(model="scripted", instructions="Go on.")
        )
        post(client, thread.id, "too late?")
        assert poll(client, run).status == "expired"
        assert texts(client, thread.id) == ["too late?"]


def test_without_the_header_the_lock_is_told(client: OpenAI, held: Run):
    for headers in ({}, {"Xiaozhi-When-Locked": "refuse"}):
        with pytest.raises(BadRequestError, match="Can't add messages to"):
            client.beta.threads.messages.create(
                held.thread_id, role="user", content="and?", extra_headers=headers
            )
    with pytest.raises(BadRequestError, match="Supported values are: 'wait' and 'refuse'"):
        post(client, held.thread_id, "and?", **{"Xiaozhi-When-Locked": "perhaps"})
    end(client, held)
    assert texts(client, held.thread_id) == ["你好"]


def test_a_thread_that_is_free_takes_it_at_once(client: OpenAI, thread: Thread):
    post(client, thread.id, "now")
    assert texts(client, thread.id) == ["你好", "now"]
    with pytest.raises(NotFoundError, match="No thread found with id 'thread_no'"):
        post(client, "thread_no", "hello?")


def test_while_it_waits_it_can_be_read_changed_and_taken_back(client: OpenAI, held: Run):
    messages = client.beta.threads.messages
    kept, gone = post(client, held.thread_id, "kept"), post(client, held.thread_id, "gone")
    assert messages.retrieve(kept.id, thread_id=held.thread_id) == kept
    changed = messages.update(kept.id, thread_id=held.thread_id, metadata={"a": "b"})
    assert changed.metadata == {"a": "b"}
    assert messages.delete(gone.id, thread_id=held.thread_id).deleted
    for call in (messages.retrieve, messages.delete):
        with pytest.raises(NotFoundError, match=f"No message found with id '{gone.id}'"):
            call(gone.id, thread_id=held.thread_id)
    with pytest.raises(NotFoundError, match="No message found"):
        messages.retrieve(kept.id, thread_id=client.beta.threads.create().id)
    # As a cursor it is not known yet.
    assert len(messages.list(held.thread_id, after=kept.id).data) == 1
    end(client, held)
    assert texts(client, held.thread_id) == ["你好", "kept"]
    assert messages.retrieve(kept.id, thread_id=held.thread_id) == changed


def test_it_goes_with_its_thread(client: OpenAI, held: Run):
    waiting = post(client, held.thread_id, "and?")
    client.beta.threads.delete(held.thread_id)
    with pytest.raises(NotFoundError):
        client.beta.threads.messages.retrieve(waiting.id, thread_id=held.thread_id)


def test_it_outlives_a_restart(tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]):
    model.script = [Hangs(), Says("at last")]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags) as server:
        client = server.client()
        thread = client.beta.threads.create()
        run = start(
            client, thread, client.beta.assistants.create(model="scripted", instructions="Go on.")
        )
        waiting = post(client, thread.id, "and?")
        server.kill()
    with started(tmp_path, *flags, port=server.port):
        assert client.beta.threads.messages.retrieve(waiting.id, thread_id=thread.id) == waiting
        assert poll(client, run).status == "completed"
        assert texts(client, thread.id) == ["at last", "and?"]
    with sqlite3.connect(tmp_path / "xiaozhi.db") as kept:
        assert kept.execute("SELECT count(*) FROM waiting_messages").fetchone() == (0,)
    kept.close()


@pytest.fixture(scope="module")
def patient(
    tmp_path_factory: pytest.TempPathFactory, model_server: tuple[Scripted, str]
) -> Iterator[Running]:
    """A server on which messages wait unless their request says otherwise."""
    data = tmp_path_factory.mktemp("patient")
    with running(data, model_url=model_server[1], messages_wait=True) as server:
        yield server


def test_a_whole_server_can_let_messages_wait(patient: Running, model: Scripted):
    model.script = [Hangs()]
    with patient.client() as client:
        thread = client.beta.threads.create()
        run = start(
            client, thread, client.beta.assistants.create(model="scripted", instructions="Go on.")
        )
        client.beta.threads.messages.create(thread.id, role="user", content="unchanged program")
        with pytest.raises(BadRequestError, match="Can't add messages to"):
            post(client, thread.id, "or not", **{"Xiaozhi-When-Locked": "refuse"})
        end(client, run)
        assert texts(client, thread.id) == ["unchanged program"]


def test_a_message_that_is_sent_again_is_the_same_message(client: OpenAI, thread: Thread):
    first = post(client, thread.id, "once")
    assert post(client, thread.id, "once", **AGAIN) == first
    assert texts(client, thread.id) == ["你好", "once"]
    assert post(client, thread.id, "twice", **AGAIN).id != first.id
    assert post(client, thread.id, "twice").id != first.id
    assert texts(client, thread.id) == ["你好", "once", "twice", "twice"]


def test_a_message_with_anything_else_in_it_is_another(client: OpenAI, thread: Thread):
    first = post(client, thread.id, "once")
    messages = client.beta.threads.messages
    other: list[dict[str, Any]] = [
        {"role": "assistant", "content": "once"},
        {"role": "user", "content": "once", "metadata": {"a": "b"}},
        {"role": "user", "content": [{"type": "text", "text": "once"}] * 2},
    ]
    made = {messages.create(thread.id, **body, extra_headers=AGAIN).id for body in other}
    assert len(made - {first.id}) == 3


def test_a_message_that_waits_is_not_sent_twice_either(client: OpenAI, held: Run):
    first = post(client, held.thread_id, "and?")
    assert post(client, held.thread_id, "and?", **AGAIN) == first
    # It was accepted: no reason to refuse it now.
    again = {"Xiaozhi-When-Locked": "refuse", **AGAIN}
    assert post(client, held.thread_id, "and?", **again) == first
    end(client, held)
    assert post(client, held.thread_id, "and?", **AGAIN) == first
    assert texts(client, held.thread_id) == ["你好", "and?"]


def test_after_a_minute_the_same_words_are_a_new_message(
    client: OpenAI, server: Running, thread: Thread
):
    first = post(client, thread.id, "hello?")

    def make_older(connection: Connection) -> None:
        message = store.messages.locked(connection, first.id)
        store.messages.save(connection, changed(message, {"created_at": int(time.time()) - 60}))

    server.on_the_loop(lambda: server.rooms.store.write(make_older))
    assert post(client, thread.id, "hello?", **AGAIN).id != first.id
