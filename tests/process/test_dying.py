"""The server dies in the middle of an answer: nothing that was accepted is lost."""

import time
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.process.processes import Process, started
from tests.running import until
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

SLOW = Says([f"{number} " for number in range(100)], pause=0.05)


def say(client: OpenAI, words: str, **assistant_: Any) -> Run:
    """A thread in which `words` are being answered. `assistant_`: how that is made."""
    assistant = client.beta.assistants.create(model="scripted", **assistant_)
    return client.beta.threads.create_and_run(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": words}]}
    )


def texts(client: OpenAI, thread_id: str) -> list[str]:
    """What was said, oldest first."""
    return [
        "".join(part.text.value for part in message.content if part.type == "text")
        for message in client.beta.threads.messages.list(thread_id, order="asc")
    ]


def wait_for_words(client: OpenAI, run: Run) -> None:
    """Until a part of the answer has been saved."""
    deadline = time.monotonic() + 30
    while len(texts(client, run.thread_id)) < 2 or not texts(client, run.thread_id)[1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def poll(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=50)


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_a_run_goes_on_after_a_restart(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str], way: str
):
    model.script = [SLOW, Says("the whole answer"), Says("and more")]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags, XIAOZHI_STOP_WITHIN="0") as server:
        client = server.client()
        run = say(client, "hello")
        wait_for_words(client, run)
        before = texts(client, run.thread_id)
        assert before[1].startswith("0 1 ")
        getattr(server, way)()
    with started(tmp_path, *flags, port=server.port):
        ended = poll(client, run)
        assert ended.status == "completed"
        assert texts(client, run.thread_id) == ["hello", "the whole answer"]
        [step] = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
        assert step.status == "completed"
        again = client.beta.threads.runs.create_and_poll(
            thread_id=run.thread_id,
            assistant_id=run.assistant_id,
            additional_messages=[{"role": "user", "content": "go on"}],
            poll_interval_ms=50,
        )
        assert again.status == "completed"
        assert texts(client, run.thread_id)[2:] == ["go on", "and more"]


def test_a_stop_saves_every_word_that_was_said(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    """Even the words of the last second. They stay until the answer begins anew."""
    model.script = [SLOW, Says("anew", think=3.0)]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags, XIAOZHI_STOP_WITHIN="0") as server:
        client = server.client()
        run = say(client, "hello")
        wait_for_words(client, run)
        time.sleep(0.5)
        saved = texts(client, run.thread_id)[1]
        assert server.stop() == 0
    with started(tmp_path, *flags, port=server.port):
        kept = texts(client, run.thread_id)[1]
        assert kept.startswith(saved)
        assert len(kept) > len(saved)
        assert poll(client, run).status == "completed"
        assert texts(client, run.thread_id) == ["hello", "anew"]


def test_a_cancelled_run_ends_after_a_restart(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [SLOW]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags) as server:
        client = server.client()
        run = say(client, "hello")
        wait_for_words(client, run)
        client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        server.kill()
    with started(tmp_path, *flags, port=server.port):
        assert poll(client, run).status == "cancelled"
        client.beta.threads.messages.create(run.thread_id, role="user", content="still here")


def test_a_run_that_was_left_too_long_expires(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [SLOW]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags, XIAOZHI_RUN_EXPIRES_AFTER="5") as server:
        client = server.client()
        run = say(client, "hello")
        wait_for_words(client, run)
        server.kill()
    until(lambda: time.time() > (run.expires_at or 0))
    with started(tmp_path, *flags, port=server.port):
        ended = poll(client, run)
        assert ended.status == "expired"
        [message, _] = client.beta.threads.messages.list(run.thread_id).data
        assert message.incomplete_details
        assert message.incomplete_details.reason == "run_expired"


WEATHER: Any = {"type": "function", "function": {"name": "weather"}}


def test_a_run_that_waits_for_its_client_waits_on_after_a_restart(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [Calls([("weather", "{}")], text="Let me look."), Says("Sunny.")]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags) as server:
        client = server.client()
        run = poll(client, say(client, "weather?", tools=[WEATHER]))
        server.kill()
    with started(tmp_path, *flags, port=server.port):
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        assert run.required_action
        [call] = run.required_action.submit_tool_outputs.tool_calls
        events = list(
            client.beta.threads.runs.submit_tool_outputs(
                run.id,
                thread_id=run.thread_id,
                tool_outputs=[{"tool_call_id": call.id, "output": "18"}],
                stream=True,
            )
        )
        assert events[0].event == "thread.run.step.completed"
        assert events[-1].event == "thread.run.completed"
        assert texts(client, run.thread_id) == ["weather?", "Let me look.", "Sunny."]
        assert model.requests[-1]["messages"][-1]["content"] == "18"


@pytest.mark.parametrize("again", ["says", "calls"])
def test_a_turn_that_was_interrupted_is_done_again_and_leaves_nothing_behind(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str], again: str
):
    long = '{"city": "' + "x" * 500 + '"}'
    second = Says("Sunny.") if again == "says" else Calls([("weather", "{}")])
    model.script = [Calls([("weather", long)], text="Let me look.", pause=0.05), second]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags) as server:
        client = server.client()
        run = say(client, "weather?", tools=[WEATHER])
        deadline = time.monotonic() + 30
        while len(client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data) < 2:
            assert time.monotonic() < deadline
        server.kill()
    with started(tmp_path, *flags, port=server.port):
        run = poll(client, run)
        steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
        if again == "says":
            assert run.status == "completed"
            assert texts(client, run.thread_id) == ["weather?", "Sunny."]
            assert [(step.type, step.status) for step in steps] == [
                ("message_creation", "completed")
            ]
        else:
            assert run.status == "requires_action"
            assert texts(client, run.thread_id) == ["weather?"]
            assert [(step.type, step.status) for step in steps] == [("tool_calls", "in_progress")]


def test_an_endpoint_that_is_down_fails_the_run_and_not_the_server(tmp_path: Path):
    process = Process(tmp_path, "--no-ui", "--model-url", "http://127.0.0.1:9/v1", "--model", "m")
    try:
        client = process.client()
        deadline = time.monotonic() + 30
        while True:
            try:
                run = say(client, "hello")
                break
            except Exception:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        ended = poll(client, run)
        assert ended.status == "failed"
        assert ended.last_error
        words = "Sorry, something went wrong. The model endpoint cannot be reached"
        assert ended.last_error.message.startswith(words)
        assert texts(client, run.thread_id) == ["hello"]
    finally:
        process.kill()
