"""Spans for OpenTelemetry: which there are, how they hang together, and what is not in them."""

import socket
import time
from pathlib import Path
from typing import Any

from openai import OpenAI

from tests.process.collector import Collector, collecting
from tests.process.processes import started
from tests.process.test_logs import CANARY
from xiaozhi.chat_models.scripted import Fails, Says, Scripted

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"  # a trace's id
TRACEPARENT = f"00-{CALLER}-00f067aa0ba902b7-01"
BLOCKED = "import sys; sys.modules['opentelemetry.sdk'] = None\n"


def converse(client: OpenAI, **headers: str) -> Any:
    """The run of a thread of its own, at its end."""
    assistant = client.beta.assistants.create(model="scripted", instructions=CANARY)
    thread: Any = {"messages": [{"role": "user", "content": CANARY}]}
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread=thread, extra_headers=headers
    ) as stream:
        stream.until_done()
        return stream.current_run


def traced(data: Path, model_url: str, *, headers: dict[str, str]) -> tuple[Collector, Any]:
    """What a collector got of one conversation, and its run."""
    with (
        collecting() as collector,
        started(
            data,
            "--no-ui",
            "--model-url",
            model_url,
            word="serve",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        ) as server,
    ):
        run = converse(server.client(), **headers)
        # What is left is handed over at the end.
        assert server.stop() == 0
    return collector, run


def test_a_run_is_a_part_of_the_trace_that_asked_for_it(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [Says(f"{CANARY} one two")]
    collector, run = traced(tmp_path, model_server[1], headers={"traceparent": TRACEPARENT})
    [request] = collector.named("POST /v1/threads/runs")
    [agent] = collector.named("invoke_agent")
    [asked] = collector.named("chat scripted")
    assert {span.trace for span in (request, agent, asked)} == {CALLER}
    assert (request.parent, agent.parent, asked.parent) == (
        TRACEPARENT[36:52],
        request.id,
        agent.id,
    )
    assert (request.kind, agent.kind, asked.kind) == ("server", "internal", "client")
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == "/v1/threads/runs"
    assert agent.attributes["xiaozhi.run_id"] == run.id
    assert agent.attributes["gen_ai.conversation.id"] == run.thread_id
    assert asked.attributes["gen_ai.operation.name"] == "chat"
    assert asked.attributes["gen_ai.request.model"] == "scripted"
    assert asked.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert asked.attributes["gen_ai.usage.output_tokens"] == run.usage.completion_tokens
    assert asked.attributes["gen_ai.usage.input_tokens"] == run.usage.prompt_tokens
    writes = [span for span in collector.named("database write") if span.trace == CALLER]
    assert {span.parent for span in writes} >= {request.id, agent.id}
    # The endpoint of the model is told too, so that it can go on.
    assert model.traceparents[-1] == f"00-{CALLER}-{asked.id}-01"
    assert collector.service["service.name"] == "xiaozhi-zero"


def test_spans_hold_nothing_that_people_say(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [Fails(400, CANARY)]
    collector, run = traced(tmp_path, model_server[1], headers={"X-Said": CANARY})
    assert run.status == "failed"
    [asked] = collector.named("chat scripted")
    assert asked.failed
    assert asked.attributes["error.type"] == "ModelFailed"
    assert CANARY.encode() not in b"".join(collector.bodies)
    assert [span.events for span in collector.spans if span.events] == []


def test_a_collector_that_is_not_there_costs_nothing_but_its_spans(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    with socket.socket() as silent:
        # It takes connections, and never answers.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        flags = ["--no-ui", "--model-url", model_server[1]]
        with started(tmp_path, *flags, OTEL_EXPORTER_OTLP_ENDPOINT=address) as server:
            assert converse(server.client()).status == "completed"
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 10


def test_without_the_packages_the_server_says_so_and_starts(
    tmp_path: Path, model_server: tuple[Scripted, str]
):
    # Python runs this file at its start, from a folder on its path.
    (tmp_path / "sitecustomize.py").write_text(BLOCKED)
    root = Path(__file__).parents[2]
    with started(
        tmp_path / "data",
        "--no-ui",
        "--model-url",
        model_server[1],
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        PYTHONPATH=f"{tmp_path}:{root}",
    ) as server:
        server.stop()
    assert "pip install 'xiaozhi-zero[telemetry]'" in "".join(server.said)
