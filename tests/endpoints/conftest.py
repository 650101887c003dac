"""A server whose endpoint answers as a test wants it to, byte by byte. On SQLite alone: no answer
differs by the database.
"""

from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.running import Running
from xiaozhi.chat_models.scripted import Line, Scripted, Sends

WEATHER: dict[str, Any] = {"type": "function", "function": {"name": "weather"}}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "clock"}}

Ask = Callable[..., Run]


@pytest.fixture(scope="session")
def server(server_on_sqlite: Running) -> Running:
    return server_on_sqlite


@pytest.fixture
def ask(client: OpenAI, model: Scripted) -> Ask:
    """Let a run answer "Hi" with `line`, and return it when it has ended."""

    def complete(*lines: Line, tools: Any = (), **settings: Any) -> Run:
        model.script = list(lines)
        assistant = client.beta.assistants.create(model="scripted", tools=tools)
        thread: Any = {"messages": [{"role": "user", "content": "Hi"}]}
        return client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id, thread=thread, poll_interval_ms=20, **settings
        )

    return complete


def answer_text(client: OpenAI, run: Run) -> str | None:
    """The run's answer; None where it has none."""
    messages = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    if not messages:
        return None
    [message] = messages
    return "".join(part.text.value for part in message.content if part.type == "text")


def thought(client: OpenAI, run: Run) -> str:
    runs = client.beta.threads.runs.list(run.thread_id, extra_query={"include[]": "reasoning"})
    found: Any = runs.data[0]
    return "".join(each["text"] for each in found.reasoning)


def called(run: Run) -> list[tuple[str, str]]:
    """(name, arguments) of the functions that the run waits for."""
    assert run.required_action, (run.status, run.last_error)
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [(call.function.name, call.function.arguments) for call in calls]


def failure(run: Run) -> tuple[str, str]:
    """(code, message) of its last_error."""
    assert run.last_error, run.status
    return run.last_error.code, run.last_error.message


def chunk(finish_reason: str | None = None, /, **delta: Any) -> dict[str, Any]:
    """A chunk as OpenAI sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def calls(*entries: dict[str, Any]) -> dict[str, Any]:
    return chunk(tool_calls=list(entries))


def call(name: Any, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def answer(*contents: Any) -> Sends:
    """A stream of these contents."""
    return Sends.events(*(chunk(content=each) for each in contents), chunk("stop"))
