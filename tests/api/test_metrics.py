"""What Prometheus is told at /metrics."""

import re
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_transport import HEADERS, ask
from tests.running import Running, running
from xiaozhi import metrics
from xiaozhi.chat_models import chat_model
from xiaozhi.chat_models.scripted import Calls, Fails, Says, Scripted

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


def scraped(server: Running) -> dict[str, float]:
    """Each sample's value, by its name with its labels as Prometheus writes them."""
    answer = ask(server, "/metrics")
    assert answer.status == 200
    found: dict[str, float] = {}
    for line in answer.body.decode().splitlines():
        if match := SAMPLE.match(line):
            name, labels, value = match.groups()
            found[f"{name}{{{labels}}}" if labels else name] = float(value)
    return found


class Since:
    """How much was counted since then: the tests of one process count together."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._before = scraped(server)

    def added(self) -> dict[str, float]:
        after = scraped(self._server)
        grown = {name: value - self._before.get(name, 0) for name, value in after.items()}
        return {name: value for name, value in grown.items() if value}


def in_turn(client: OpenAI, thread: Thread, assistant: Assistant, times: int) -> None:
    for _ in range(times):
        client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )


def test_runs_are_counted_by_their_ends(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one two three"), Fails(400), Says("four")]
    since = Since(server)
    in_turn(client, thread, assistant, 3)
    added = since.added()
    assert added['xiaozhi_runs_ended_total{status="completed"}'] == 2
    assert added['xiaozhi_runs_ended_total{status="failed"}'] == 1
    assert added['xiaozhi_run_seconds_count{status="completed"}'] == 2
    assert 0 < added['xiaozhi_run_seconds_sum{status="completed"}'] < 30
    assert added["xiaozhi_first_piece_seconds_count"] == 2
    assert 0 < added["xiaozhi_first_piece_seconds_sum"] < 30
    assert added["xiaozhi_queue_seconds_count"] == 3
    assert added['xiaozhi_tokens_total{direction="written",model="scripted"}'] == 4
    assert added['xiaozhi_tokens_total{direction="read",model="scripted"}'] > 3
    reason = f'xiaozhi_model_errors_total{{reason="{chat_model.REFUSED}"}}'
    assert added[reason] == 1


def test_runs_under_way_are_those_of_the_database(tmp_path: Path, model_server: tuple[Any, str]):
    scripted, url = model_server
    scripted.script = [Calls([("look", "{}")]), Says(["a "] * 40, pause=0.1)]
    look: Any = {"type": "function", "function": {"name": "look"}}
    with running(tmp_path, model_url=url) as server, server.client() as client:
        assistant = client.beta.assistants.create(
            model="scripted", instructions="Look.", tools=[look]
        )
        waiting, answering = client.beta.threads.create(), client.beta.threads.create()
        in_turn(client, waiting, assistant, 1)
        with client.beta.threads.runs.stream(
            thread_id=answering.id, assistant_id=assistant.id
        ) as stream:
            for event in stream:
                if event.event == "thread.message.delta":
                    break
            found = scraped(server)
            run = stream.current_run
            assert run
            client.beta.threads.runs.cancel(run.id, thread_id=answering.id)
            stream.until_done()
        after = scraped(server)
    assert found['xiaozhi_runs_active{status="requires_action"}'] == 1
    assert found['xiaozhi_runs_active{status="in_progress"}'] == 1
    assert found['xiaozhi_runs_active{status="queued"}'] == 0
    assert found["xiaozhi_runs_executing"] == 1
    assert found["xiaozhi_open_streams"] == 1
    assert found["xiaozhi_queue_length"] == 0
    assert after['xiaozhi_runs_active{status="in_progress"}'] == 0
    assert after["xiaozhi_open_streams"] == 0


@pytest.mark.one_database
def test_requests_are_counted_by_route_and_never_by_path(server: Running, client: OpenAI):
    since = Since(server)
    client.models.list()
    for path in ("/v1/threads/thread_a", "/v1/threads/thread_b", "/v1/nowhere", "/v1/no/where"):
        assert ask(server, path).status == 404
    ask(server, "/v1/models", method="PROPFIND")
    added = since.added()
    models = 'method="GET",route="/v1/models"'
    assert added[f'xiaozhi_http_requests_total{{{models},status="200"}}'] == 1
    assert added[f"xiaozhi_http_request_seconds_count{{{models}}}"] == 1
    thread = 'method="GET",route="/v1/threads/{thread_id}",status="404"'
    assert added[f"xiaozhi_http_requests_total{{{thread}}}"] == 2
    assert added['xiaozhi_http_requests_total{method="GET",route="unknown",status="404"}'] == 2
    assert any('method="other"' in name for name in added)
    assert "thread_a" not in str(added)


def test_the_database_is_timed(server: Running, client: OpenAI):
    since = Since(server)
    thread = client.beta.threads.create()
    client.beta.threads.retrieve(thread.id)
    added = since.added()
    for kind in ("read", "write"):
        for part in ("waiting", "working"):
            assert added[f'xiaozhi_database_seconds_count{{kind="{kind}",part="{part}"}}'] >= 1
    if server.settings.postgres() is None:
        assert added["xiaozhi_database_group_size_count"] >= 1


def test_what_is_counted_has_bounds():
    for number in range(200):
        metrics.tokens(f"made-up-{number}", 1, 1)
        metrics.model_failed(f"made-up-{number}")
    body, _ = metrics.written("", {})
    text = body.decode()
    assert len(re.findall(r"xiaozhi_tokens_total.*written", text)) <= metrics.MOST_NAMES + 1
    assert len(re.findall(r"xiaozhi_model_errors_total\{", text)) <= metrics.MOST_NAMES + 1
    assert 'model="other"' in text


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", "text/plain; version=0.0.4"),
        ("application/openmetrics-text", "application/openmetrics"),
    ],
)
def test_both_of_prometheuss_formats_are_spoken(server: Running, accept: str, format: str):
    answer = ask(server, "/metrics", headers={**HEADERS, "Accept": accept})
    assert answer.headers["content-type"].startswith(format)
    text = answer.body.decode()
    assert "xiaozhi_build_info{" in text
    assert "process_resident_memory_bytes" in text


def test_a_key_is_needed_unless_the_settings_open_it(
    server: Running, tmp_path: Path, model_server: tuple[Any, str]
):
    refused = ask(server, "/metrics", headers={})
    assert refused.status == 401
    assert refused.json()["error"]["message"].startswith("You didn't provide an API key.")
    wrong = ask(server, "/metrics", headers={"Authorization": "Bearer sk-wrong-and-long-enough"})
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    with running(tmp_path, model_url=model_server[1], metrics="open") as open_to_all:
        assert ask(open_to_all, "/metrics", headers={}).status == 200
