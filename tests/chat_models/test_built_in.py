"""The real built-in model, fetched as a user fetches it, in its child process."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import OpenAI

from tests.process.processes import Process, started
from tests.running import Running, running
from xiaozhi.chat_models import weights

# Kept between runs of the tests: half a gigabyte
FOLDER = Path(__file__).parents[2] / ".cache" / "models"


@pytest.fixture(scope="session")
def gguf() -> Path:
    return weights.fetch(weights.BUILT_IN, FOLDER, lambda done: None)


@pytest.fixture(scope="module")
def server(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("data"), gguf=gguf) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def child(of: int) -> psutil.Process:
    """The model's process."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in psutil.Process(of).children():
            if any("llama_server.py" in word for word in process.cmdline()):
                return process
        time.sleep(0.05)
    raise TimeoutError("no child")


def ask(client: OpenAI, thread_id: str, question: str) -> str:
    assistant = client.beta.assistants.create(model="default", temperature=0.0)
    with client.beta.threads.runs.stream(
        thread_id=thread_id,
        assistant_id=assistant.id,
        additional_messages=[{"role": "user", "content": question}],
    ) as stream:
        stream.until_done()
        run = stream.get_final_run()
        assert run.status == "completed", run.last_error
        [part] = stream.get_final_messages()[0].content
    assert part.type == "text"
    return part.text.value


@pytest.mark.timeout(300)
def test_it_answers_in_chinese_and_english_and_remembers(client: OpenAI):
    thread = client.beta.threads.create()
    assert "你好" in ask(client, thread.id, "你好")
    assert "Paris" in ask(client, thread.id, "What is the capital of France? Answer in one word.")
    assert "法国" in ask(client, thread.id, "我刚才问的是哪个国家的首都？用中文回答国家的名字。")


@pytest.mark.timeout(300)
def test_it_calls_functions_and_uses_what_they_say(client: OpenAI):
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }
    weather: Any = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the current weather of a city",
            "parameters": parameters,
        },
    }
    assistant = client.beta.assistants.create(
        model="default", instructions="Use the tools.", temperature=0.0, tools=[weather]
    )
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "What is the weather in Paris?"}]},
        poll_interval_ms=100,
    )
    assert run.required_action, run.status
    [call] = run.required_action.submit_tool_outputs.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "Paris"},
    )
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "18 degrees, sunny"}],
        poll_interval_ms=100,
    )
    assert run.status == "completed"
    [message] = client.beta.threads.messages.list(run.thread_id, limit=1).data
    [part] = message.content
    assert part.type == "text"
    assert "18" in part.text.value or "sunny" in part.text.value


@pytest.mark.timeout(300)
def test_a_program_for_openais_models_gets_an_answer(client: OpenAI):
    """The names that such programs ask for stand for the only model there is."""
    assistant = client.beta.assistants.create(model="gpt-4o")
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Say hi."}]},
        max_completion_tokens=256,
        poll_interval_ms=100,
    )
    assert run.status == "completed"
    assert run.model == weights.BUILT_IN.file.removesuffix(".gguf")
    assert run.usage
    assert run.usage.completion_tokens > 0


def test_a_model_that_nobody_knows_is_refused(client: OpenAI):
    from openai import NotFoundError

    with pytest.raises(NotFoundError, match="The model 'qwen9-900b' does not exist") as refused:
        client.beta.assistants.create(model="qwen9-900b")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


@pytest.mark.timeout(300)
def test_its_crash_fails_the_answer_and_nothing_else(client: OpenAI):
    assistant = client.beta.assistants.create(model="default")
    thread = client.beta.threads.create()
    stream = client.beta.threads.runs.create(
        thread_id=thread.id,
        assistant_id=assistant.id,
        additional_messages=[{"role": "user", "content": "Count from 1 to 200."}],
        stream=True,
    )
    last = None
    for event in stream:
        if event.event == "thread.message.delta" and last != event.event:
            child(os.getpid()).send_signal(signal.SIGKILL)
        last = event.event
    [run] = client.beta.threads.runs.list(thread.id).data
    assert run.status == "failed"
    assert run.last_error
    assert run.last_error.code == "server_error"
    assert "The built-in model stopped unexpectedly" in run.last_error.message
    assert "SIGKILL" in run.last_error.message
    assert ask(client, thread.id, "Are you back?")


@pytest.mark.timeout(300)
def test_it_ends_with_its_parent_however_that_ends(gguf: Path, tmp_path: Path):
    for end in (Process.kill, Process.stop):
        with started(tmp_path, "--no-ui", "--model", str(gguf)) as server:
            model = child(server.pid)
            end(server)
        assert psutil.wait_procs([model], timeout=30)[1] == []


@pytest.mark.timeout(300)
def test_a_file_that_is_no_model_is_given_up_in_words(tmp_path: Path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 1000)
    with running(tmp_path / "data", gguf=broken) as server, server.client() as client:
        assistant = client.beta.assistants.create(model="default")
        run = client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": "hi"}]},
            poll_interval_ms=100,
        )
        assert run.status == "failed"
        assert run.last_error
        assert "keeps stopping and was given up" in run.last_error.message


@pytest.mark.timeout(300)
def test_it_answers_chat_completions_too(client: OpenAI):
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "What is the capital of France? One word."}],
        temperature=0.0,
        max_completion_tokens=16,
        stream=True,
    )
    said = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "Paris" in "".join(said)
