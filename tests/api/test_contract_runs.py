"""What a run and its steps look like at each point of their lives (contract 7 and 8)."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_functions import PARIS, ROME, WEATHER, asking, calls_of, outputs
from tests.api.test_runs import ended, text_of_last
from tests.running import running, until
from xiaozhi.chat_models.scripted import Calls, Fails, Hangs, Says, Scripted
from xiaozhi.store import left_runs

TIMES = ("completed_at", "failed_at", "cancelled_at")
EXPIRES_AFTER = 2  # s, of the hasty server


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    return client.beta.assistants.create(model="scripted", instructions="Be.", tools=[WEATHER])


@pytest.fixture
def hasty(model_server: tuple[Scripted, str], tmp_path: Path) -> Iterator[OpenAI]:
    """A client of a server whose runs expire after two seconds."""
    url = model_server[1]
    with (
        running(tmp_path, model_url=url, run_expires_after=EXPIRES_AFTER) as server,
        server.client() as client,
    ):
        yield client


def run_in(status: str, client: OpenAI, model: Scripted) -> Run:
    """A run that has come to this status."""
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
    runs = client.beta.threads.runs
    script: dict[str, Any] = {
        "in_progress": Hangs(),
        "requires_action": Calls([("weather", PARIS)]),
        "cancelled": Hangs(),
        "completed": Says("fine"),
        "failed": Fails(400),
        "incomplete": Says("half", finish_reason="length"),
        "expired": Hangs(),
    }
    model.script = [script[status]]
    run = runs.create(thread_id=thread.id, assistant_id=assistant.id)
    if status in ("in_progress", "cancelled"):
        while run.status != "in_progress" or not model.requests:
            time.sleep(0.01)
            run = runs.retrieve(run.id, thread_id=thread.id)
    if status == "cancelled":
        runs.cancel(run.id, thread_id=thread.id)
    if status != "in_progress":
        run = ended(client, run)
    assert run.status == status
    return run


def test_a_new_run_has_all_its_fields(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Hangs()]
    run = client.beta.threads.runs.create(
        thread_id=thread.id,
        assistant_id=assistant.id,
        additional_messages=[],
        metadata={"a": "b"},
        max_prompt_tokens=1000,
        truncation_strategy={"type": "auto", "last_messages": 5},
    )
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    assert run.to_dict() == {
        "id": run.id,
        "object": "thread.run",
        "created_at": run.created_at,
        "thread_id": thread.id,
        "assistant_id": assistant.id,
        "status": "queued",
        "started_at": None,
        "expires_at": run.created_at + 600,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "required_action": None,
        "last_error": None,
        "incomplete_details": None,
        "model": "scripted",
        "instructions": "Be.",
        "tools": [tool.to_dict() for tool in assistant.tools],
        "tool_resources": {},
        "metadata": {"a": "b"},
        "temperature": 1.0,
        "top_p": 1.0,
        "reasoning_effort": None,
        "max_prompt_tokens": 1000,
        "max_completion_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": 5},
        "response_format": "auto",
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "usage": None,
    }


@pytest.mark.parametrize(
    ("status", "time_of_end"),
    [
        ("completed", "completed_at"),
        ("failed", "failed_at"),
        ("cancelled", "cancelled_at"),
        ("incomplete", None),
    ],
)
def test_an_end_has_its_time_and_its_usage(
    client: OpenAI, model: Scripted, status: str, time_of_end: str | None
):
    run = run_in(status, client, model)
    assert {name for name in TIMES if getattr(run, name)} == {time_of_end} - {None}
    assert (run.expires_at, run.required_action) == (None, None)
    assert run.started_at
    assert run.usage
    assert set(run.usage.to_dict()) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert (run.last_error is not None) == (status == "failed")
    assert (run.incomplete_details is not None) == (status == "incomplete")


def test_an_expired_run_has_neither_time_nor_lock(hasty: OpenAI, model: Scripted):
    run = run_in("expired", hasty, model)
    assert [getattr(run, name) for name in TIMES] == [None, None, None]
    assert run.expires_at is None
    assert run.usage
    assert run.usage.total_tokens == 0
    refuses_to_be_touched(hasty, run)
    hasty.beta.threads.messages.create(run.thread_id, role="user", content="and now?")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "incomplete"])
def test_an_ended_run_takes_metadata_and_nothing_else(client: OpenAI, model: Scripted, status: str):
    run = run_in(status, client, model)
    changed = client.beta.threads.runs.update(
        run.id, thread_id=run.thread_id, metadata={"still": "works"}
    )
    assert (changed.status, changed.metadata) == (status, {"still": "works"})
    refuses_to_be_touched(client, run)
    client.beta.threads.messages.create(run.thread_id, role="user", content="and now?")


def refuses_to_be_touched(client: OpenAI, run: Run) -> None:
    runs = client.beta.threads.runs
    words = f"Cannot cancel run with status '{run.status}'."
    with pytest.raises(BadRequestError) as refused:
        runs.cancel(run.id, thread_id=run.thread_id)
    assert (message_of(refused.value), refused.value.code) == (words, None)
    words = f'Runs in status "{run.status}" do not accept tool outputs.'
    with pytest.raises(BadRequestError) as refused:
        runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=[])
    assert (message_of(refused.value), refused.value.code) == (words, None)


@pytest.mark.parametrize("status", ["in_progress", "requires_action"])
def test_an_active_run_holds_its_thread_and_lets_everything_else_be(
    client: OpenAI, model: Scripted, status: str
):
    run = run_in(status, client, model)
    thread, runs = run.thread_id, client.beta.threads.runs
    said: list[str] = []
    for create in (
        lambda: client.beta.threads.messages.create(thread, role="user", content="x"),
        lambda: runs.create(thread_id=thread, assistant_id=run.assistant_id),
        lambda: runs.create(thread_id=thread, assistant_id=run.assistant_id, stream=True),
    ):
        with pytest.raises(BadRequestError) as refused:
            create()
        assert (refused.value.param, refused.value.code) == (None, None)
        said.append(message_of(refused.value))
    assert said == [
        f"Can't add messages to {thread} while a run {run.id} is active.",
        f"Thread {thread} already has an active run {run.id}.",
        f"Thread {thread} already has an active run {run.id}.",
    ]
    # What a request names is looked for before the lock is, and a refused one keeps nothing.
    said_too: Any = [{"role": "user", "content": "lost?"}]
    with pytest.raises(NotFoundError, match="No assistant found"):
        runs.create(thread_id=thread, assistant_id="asst_no", additional_messages=said_too)
    [message] = client.beta.threads.messages.list(thread).data
    messages = client.beta.threads.messages
    messages.update(message.id, thread_id=thread, metadata={"a": "b"})
    client.beta.threads.update(thread, metadata={"a": "b"})
    assert runs.update(run.id, thread_id=thread, metadata={"a": "b"}).status == status
    assert messages.delete(message.id, thread_id=thread).deleted
    if status == "in_progress":
        with pytest.raises(BadRequestError, match='Runs in status "in_progress" do not accept'):
            runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=[])
    run = runs.cancel(run.id, thread_id=thread)
    assert run.status == ("cancelling" if status == "in_progress" else "cancelled")
    run = ended(client, run)
    assert (run.status, run.metadata) == ("cancelled", {"a": "b"})


def test_a_run_that_is_being_cancelled_is_still_active(
    model_server: tuple[Scripted, str], model: Scripted, tmp_path: Path
):
    """Another process has taken the run over and is slow: it stays in this status for long."""
    with running(tmp_path, model_url=model_server[1]) as server, server.client() as client:
        run = run_in("in_progress", client, model)
        store, runs = server.rooms.store, client.beta.threads.runs
        server.on_the_loop(lambda: store.write(lambda c: left_runs.claim_all(c, "another")))
        run = runs.cancel(run.id, thread_id=run.thread_id)
        assert run.status == "cancelling"
        refuses_to_be_touched(client, run)
        with pytest.raises(BadRequestError, match="Can't add messages"):
            client.beta.threads.messages.create(run.thread_id, role="user", content="x")
        with pytest.raises(BadRequestError, match="already has an active run"):
            runs.create(thread_id=run.thread_id, assistant_id=run.assistant_id)


def test_a_waiting_run_starts_anew_with_its_outputs(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)]), Says("Sunny.", think=0.2)]
    waiting = asking(client, thread, assistant)
    assert waiting.usage is None
    assert waiting.expires_at == waiting.created_at + 600
    # Its times are whole seconds: the next one has to come.
    until(lambda: int(time.time()) > (waiting.started_at or 0))
    runs = client.beta.threads.runs
    queued = runs.submit_tool_outputs(
        waiting.id, thread_id=thread.id, tool_outputs=outputs(waiting, "x")
    )
    assert (queued.status, queued.required_action) == ("queued", None)
    # Kept while it is queued again, renewed when it goes on
    assert queued.started_at == waiting.started_at
    run = ended(client, queued)
    assert run.started_at
    assert waiting.started_at
    assert run.started_at > waiting.started_at


def test_required_action_names_the_calls_of_the_open_step(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS), ("weather", ROME)])]
    run = asking(client, thread, assistant)
    assert run.required_action
    calls: list[dict[str, Any]] = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": "weather", "arguments": arguments},
        }
        for call, arguments in zip(calls_of(run), (PARIS, ROME), strict=True)
    ]
    assert run.required_action.to_dict() == {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": calls},
    }
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.to_dict() == {
        "id": step.id,
        "object": "thread.run.step",
        "created_at": step.created_at,
        "run_id": run.id,
        "assistant_id": assistant.id,
        "thread_id": thread.id,
        "type": "tool_calls",
        "status": "in_progress",
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [
                {**call, "function": {**call["function"], "output": None}} for call in calls
            ],
        },
        "last_error": None,
        "expired_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "expires_at": run.expires_at,
        "metadata": {},
        "usage": None,
    }


@pytest.mark.parametrize(
    ("line", "status", "time_of_end"),
    [
        (Says("fine"), "completed", "completed_at"),
        (Says("half", finish_reason="length"), "completed", "completed_at"),
        (Says("half", finish_reason=None), "failed", "failed_at"),
    ],
)
def test_a_step_ends_with_its_run(
    client: OpenAI,
    model: Scripted,
    assistant: Assistant,
    thread: Thread,
    line: Says,
    status: str,
    time_of_end: str,
):
    model.script = [line]
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
    )
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.status == status
    assert [name for name in (*TIMES, "expired_at") if getattr(step, name)] == [time_of_end]
    if status == "failed":
        assert step.last_error
        assert step.last_error.code == "server_error"
    else:
        assert step.usage
        assert run.usage
        assert step.usage.to_dict() == run.usage.to_dict()


def test_a_run_may_set_everything_for_itself(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one")]
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        model="other",
        instructions="",
        additional_instructions="Be long.",
        additional_messages=[
            {"role": "user", "content": "and"},
            {"role": "assistant", "content": "so"},
        ],
        tools=[],
        temperature=0,
        top_p=0.1,
        max_completion_tokens=300,
        parallel_tool_calls=False,
        poll_interval_ms=10,
    )
    assert (run.model, run.instructions, run.tools) == ("other", "Be long.", [])
    assert (run.temperature, run.top_p, run.max_completion_tokens) == (0, 0.1, 300)
    assert run.parallel_tool_calls is False
    [request] = model.requests
    assert (request["model"], request["temperature"], request["top_p"]) == ("other", 0, 0.1)
    assert [message["content"] for message in request["messages"]] == [
        "Be long.",
        "你好",
        "and",
        "so",
    ]
    assert len(client.beta.threads.messages.list(thread.id).data) == 4


def test_nulls_of_other_clients_mean_not_given(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    nothing: Any = dict.fromkeys(
        [
            "model",
            "instructions",
            "additional_instructions",
            "additional_messages",
            "tools",
            "metadata",
            "temperature",
            "top_p",
            "response_format",
            "reasoning_effort",
            "stream",
            "max_prompt_tokens",
            "max_completion_tokens",
            "truncation_strategy",
            "tool_choice",
        ]
    )
    runs: Any = client.beta.threads.runs
    run: Run = runs.create(thread_id=thread.id, assistant_id=assistant.id, **nothing)
    assert (run.instructions, run.temperature, run.metadata) == ("Be.", 1.0, {})
    assert (len(run.tools), run.tool_choice, run.response_format) == (1, "auto", "auto")
    assert ended(client, run).status == "completed"
    assert text_of_last(client, thread.id) == "All right."


def message_of(error: BadRequestError) -> str:
    body: Any = error.body
    return body["message"]
