"""Whatever a client does, it may do it at any replica."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx2
import pytest
from openai import OpenAI
from openai._streaming import SSEDecoder
from openai.types.beta import Assistant
from openai.types.beta.threads import Run

from tests.api.test_run_events import followed, others, texts
from tests.replicas.conftest import Clients, Replicas
from tests.running import until
from xiaozhi.chat_models.scripted import Calls, Says, Scripted
from xiaozhi.store.presence import LONGEST

SLOW = Says([f"{number} " for number in range(200)], pause=0.05)
Value = TypeVar("Value")
WEATHER: Any = {"type": "function", "function": {"name": "weather"}}


def begun(client: OpenAI, assistant: Assistant, **settings: Any) -> Run:
    create: Any = client.beta.threads.create_and_run
    return create(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "hello"}]},
        **settings,
    )


def poll(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=20)


def said(client: OpenAI, run: Run) -> list[str]:
    """Oldest first."""
    return [
        "".join(part.text.value for part in message.content if part.type == "text")
        for message in client.beta.threads.messages.list(run.thread_id, order="asc")
    ]


def in_background(doing: Callable[[], Value]) -> Future[Value]:
    future: Future[Value] = Future()
    threading.Thread(target=lambda: future.set_result(doing()), daemon=True).start()
    return future


def listening(client: OpenAI, run: Run) -> Future[list[str]]:
    """The names of the events that are told from now on; the first one has been heard."""
    heard = threading.Event()

    def listen() -> list[str]:
        names: list[str] = []
        path = f"threads/{run.thread_id}/runs/{run.id}/events"
        headers = {"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {client.api_key}"}
        with httpx2.stream(
            "GET", f"{client.base_url}{path}", headers=headers, timeout=30
        ) as response:
            for event in SSEDecoder().iter_bytes(response.iter_bytes()):
                names.append(event.event or "")
                heard.set()
        return names

    future = in_background(listen)
    assert heard.wait(30)
    return future


def test_what_is_kept_at_one_is_read_at_the_other(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [Says("an answer")]
    run = begun(clients.here, assistant)
    assert poll(clients.there, run).status == "completed"
    assert said(clients.there, run) == ["hello", "an answer"]


def test_a_cancel_reaches_the_one_that_executes(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [SLOW]
    run = begun(clients.here, assistant)
    until(lambda: len(said(clients.there, run)) > 1 and said(clients.there, run)[1])
    began = time.monotonic()
    cancelled = clients.there.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    assert cancelled.status == "cancelling"
    assert poll(clients.there, run).status == "cancelled"
    assert time.monotonic() - began < 8, "the answer would have taken 10 s"
    assert [event.event for event in followed(clients.here, run)][-5:] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
        "done",
    ]


def test_outputs_may_be_handed_in_anywhere(clients: Clients, model: Scripted, assistant: Assistant):
    model.script = [Calls([("weather", "{}")], text="Let me look."), Says("It is sunny.")]
    run = poll(clients.here, begun(clients.here, assistant, tools=[WEATHER]))
    assert run.required_action
    listener = listening(clients.here, run)
    [call] = run.required_action.submit_tool_outputs.tool_calls
    with clients.there.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "18"}],
    ) as stream:
        events = [event.event for event in stream]
    assert events[0] == "thread.run.step.completed"
    assert events[-1] == "thread.run.completed"
    assert said(clients.here, run) == ["hello", "Let me look.", "It is sunny."]
    # Who listened where the run had been is told to read again, and hears everything then.
    assert listener.result(30)[-2] == "error"
    again = followed(clients.here, run)
    assert texts(again) == "Let me look.It is sunny."
    assert again[-2].event == "thread.run.completed"


def test_a_run_is_followed_where_it_is_not_executed(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [
        Says(["你好，", "\u2028", "😀 ", *(f"{number} " for number in range(20))], pause=0.05)
    ]
    run = begun(clients.here, assistant)
    there, here = in_background(lambda: followed(clients.there, run)), followed(clients.here, run)
    assert texts(there.result(30)) == texts(here)
    assert others(there.result(30)) == others(here)
    assert here[-2].event == "thread.run.completed"
    # An id that was seen at one is known at the other.
    [later] = [event for event in here if event.event == "thread.message.completed"]
    assert later.id
    rest = followed(clients.there, run, after=later.id)
    assert [event.event for event in rest] == [
        "thread.run.step.completed",
        "thread.run.completed",
        "done",
    ]


def test_long_events_come_whole(clients: Clients, model: Scripted, assistant: Assistant):
    long = "小智😀" * LONGEST
    model.script = [Says([long, " and ", long], pause=0.3)]
    run = begun(clients.here, assistant)
    events = followed(clients.there, run)
    assert texts(events) == f"{long} and {long}"
    assert texts(events) == said(clients.there, run)[1]


def test_a_message_may_wait_for_a_run_that_is_executed_elsewhere(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [Says("an answer", think=0.5)]
    run = begun(clients.here, assistant)
    clients.there.beta.threads.messages.create(
        run.thread_id,
        role="user",
        content="and?",
        extra_headers={"Xiaozhi-When-Locked": "wait"},
    )
    assert said(clients.there, run) == ["hello"]
    poll(clients.there, run)
    assert said(clients.there, run) == ["hello", "an answer", "and?"]


def test_a_thread_that_is_deleted_elsewhere_ends_its_run(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [SLOW]
    run = begun(clients.here, assistant)
    listener = listening(clients.here, run)
    until(lambda: len(said(clients.there, run)) > 1)
    clients.there.beta.threads.delete(run.thread_id)
    assert listener.result(30)[-2] == "thread.run.cancelled"


def test_a_run_that_waits_is_cancelled_anywhere(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [Calls([("weather", "{}")])]
    run = poll(clients.here, begun(clients.here, assistant, tools=[WEATHER]))
    listener = listening(clients.here, run)
    ended = clients.there.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    assert ended.status == "cancelled"
    assert listener.result(30)[-2] == "error"
    assert followed(clients.here, run)[-2].event == "thread.run.cancelled"


def test_a_repeated_request_may_reach_another_replica(
    clients: Clients, model: Scripted, assistant: Assistant
):
    model.script = [Says("an answer", think=0.5)]
    thread = clients.here.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
    run = clients.here.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    again = {"x-stainless-retry-count": "1"}
    with clients.there.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, extra_headers=again
    ) as stream:
        events = list(stream)
    assert events[0].event == "thread.run.created"
    assert events[0].data.id == run.id
    assert events[-1].event == "thread.run.completed"
    assert said(clients.there, run) == ["hello", "an answer"]


def test_what_a_client_changes_meanwhile_is_kept(
    clients: Clients, model: Scripted, assistant: Assistant
):
    """Metadata of a run and its message, changed at one while the other one writes them."""
    model.script = [Says(["word "] * 30, pause=0.05)]
    run = begun(clients.here, assistant)
    until(lambda: len(said(clients.there, run)) > 1)
    [message, _] = clients.there.beta.threads.messages.list(run.thread_id).data
    for number in range(10):
        marked = {"number": str(number)}
        clients.there.beta.threads.runs.update(run.id, thread_id=run.thread_id, metadata=marked)
        clients.there.beta.threads.messages.update(
            message.id, thread_id=run.thread_id, metadata=marked
        )
    ended = poll(clients.here, run)
    assert (ended.status, ended.metadata) == ("completed", {"number": "9"})
    [message, _] = clients.here.beta.threads.messages.list(run.thread_id).data
    assert (message.status, message.metadata) == ("completed", {"number": "9"})


def test_messages_of_one_thread_come_in_one_order(clients: Clients, assistant: Assistant):
    thread = clients.here.beta.threads.create()

    def post(client: OpenAI, name: str) -> list[str]:
        return [
            client.beta.threads.messages.create(thread.id, role="user", content=f"{name}{n}").id
            for n in range(20)
        ]

    posting = in_background(lambda: post(clients.there, "there"))
    here = post(clients.here, "here")
    there = posting.result(30)
    order = [m.id for m in clients.here.beta.threads.messages.list(thread.id, order="asc")]
    assert sorted(order) == sorted(here + there)
    assert [id for id in order if id in here] == here
    assert [id for id in order if id in there] == there


@pytest.mark.parametrize("there", [False, True])
def test_who_leaves_a_stream_harms_nobody(
    clients: Clients, replicas: Replicas, model: Scripted, assistant: Assistant, there: bool
):
    model.script = [Says(["word "] * 20, pause=0.05)]
    run = begun(clients.here, assistant)
    client = clients.there if there else clients.here
    path = f"threads/{run.thread_id}/runs/{run.id}/events"
    headers = {"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {client.api_key}"}
    with httpx2.stream("GET", f"{client.base_url}{path}", headers=headers) as response:
        next(SSEDecoder().iter_bytes(response.iter_bytes()))
    assert texts(followed(clients.there, run)) == "word " * 20
    assert poll(clients.there, run).status == "completed"
