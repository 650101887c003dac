"""The server is told to stop: what is under way ends, and the rest goes on at the next start."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import APIConnectionError, APIError, OpenAI, Stream
from openai.types.beta.assistant_stream_event import AssistantStreamEvent
from websockets.sync.client import connect

from tests.postgres import migrated, postgres_server
from tests.process.processes import Process, started
from tests.process.test_dying import poll, say, texts
from tests.running import KEY
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

# A stop that waits for nothing takes 0.2 s, on a machine that has nothing else to do. On a busy one
# it still takes far less than what it would wait for.
AT_ONCE = 6.0  # s
WAITS = "20"  # s that it has for what is under way
WORDS = [f"{number} " for number in range(20)]
TWO_SECONDS = Says(WORDS, pause=0.1)
LONG = Says(WORDS, pause=1.0)
WEATHER: Any = {"type": "function", "function": {"name": "weather"}}


class Listener:
    """Follows a streamed run. `heard`: the names of its events; `error`: how the stream broke."""

    def __init__(self, client: OpenAI, words: str) -> None:
        self.heard: list[str] = []
        self.error: Exception | None = None
        self._client = client
        self._began = threading.Event()
        assistant = client.beta.assistants.create(model="scripted")
        self.thread = client.beta.threads.create(messages=[{"role": "user", "content": words}])
        stream = client.beta.threads.runs.create(
            thread_id=self.thread.id, assistant_id=assistant.id, stream=True
        )
        self._following = threading.Thread(target=self._follow, args=[stream], daemon=True)
        self._following.start()
        [self.run] = client.beta.threads.runs.list(self.thread.id).data

    def wait_for_words(self) -> None:
        assert self._began.wait(30)

    def end(self) -> list[str]:
        self._following.join(30)
        assert not self._following.is_alive()
        return self.heard

    def _follow(self, stream: Stream[AssistantStreamEvent]) -> None:
        try:
            with stream:
                for event in stream:
                    self.heard.append(event.event)
                    if event.event == "thread.message.delta":
                        self._began.set()
        except Exception as error:
            self.error = error


def flags(model_server: tuple[Scripted, str]) -> list[str]:
    return ["--no-ui", "--model-url", model_server[1]]


def must_be_stopping(server: Process) -> None:
    """Until nobody can connect any more."""
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("it still listens")


def test_a_stream_that_is_under_way_ends_completely(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [TWO_SECONDS]
    with started(tmp_path, *flags(model_server), XIAOZHI_STOP_WITHIN=WAITS) as server:
        client = server.client()
        listener = Listener(client, "hello")
        listener.wait_for_words()
        server.ask_to_stop()
        must_be_stopping(server)
        with pytest.raises(APIConnectionError):
            say(client, "no more")
        assert listener.end()[-1] == "thread.run.completed"
        began = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - began < AT_ONCE, "there is nothing more to wait for"
    assert listener.error is None
    assert "Stopping: what is under way has 20 s to end." in "".join(server.said)
    with started(tmp_path, *flags(model_server), port=server.port):
        assert texts(client, listener.thread.id) == ["hello", "".join(WORDS)]
    assert len(model.requests) == 1


def test_a_run_that_nobody_listens_to_ends_completely_too(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [TWO_SECONDS]
    with started(tmp_path, *flags(model_server)) as server:
        run = say(server.client(), "hello")
        while not model.requests:
            time.sleep(0.02)
        assert server.stop() == 0
    with started(tmp_path, *flags(model_server), port=server.port):
        client = server.client()
        ended = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        assert ended.status == "completed"
    assert len(model.requests) == 1


def test_a_stream_that_takes_too_long_is_cut_with_a_sentence_and_goes_on_later(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [LONG, Says("the whole answer")]
    with started(tmp_path, *flags(model_server), XIAOZHI_STOP_WITHIN="1") as server:
        client = server.client()
        listener = Listener(client, "hello")
        listener.wait_for_words()
        began = time.monotonic()
        assert server.stop() == 0
        # The answer would take 20 s.
        assert 0.9 < time.monotonic() - began < 1 + AT_ONCE
    listener.end()
    assert isinstance(listener.error, APIError)
    assert "the run goes on when the server has started again" in listener.error.message
    with started(tmp_path, *flags(model_server), port=server.port):
        assert poll(client, listener.run).status == "completed"
        assert texts(client, listener.thread.id) == ["hello", "the whole answer"]


def test_what_waits_for_a_place_is_not_begun_any_more(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [TWO_SECONDS, Says("the second answer")]
    with started(tmp_path, *flags(model_server), XIAOZHI_CONCURRENT_RUNS="1") as server:
        client = server.client()
        first = Listener(client, "first")
        first.wait_for_words()
        second = Listener(client, "second")
        server.ask_to_stop()
        # Its stream ends at once: nothing will come in it.
        assert second.end() == ["thread.run.created", "thread.run.queued"]
        assert isinstance(second.error, APIError)
        assert first.end()[-1] == "thread.run.completed"
        assert server.end() == 0
    assert len(model.requests) == 1
    with started(tmp_path, *flags(model_server), port=server.port):
        assert poll(client, second.run).status == "completed"
        assert texts(client, second.thread.id) == ["second", "the second answer"]


def test_being_told_twice_it_stops_at_once(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [LONG, Says("the whole answer")]
    with started(tmp_path, *flags(model_server), XIAOZHI_STOP_WITHIN=WAITS) as server:
        client = server.client()
        listener = Listener(client, "hello")
        listener.wait_for_words()
        server.ask_to_stop()
        must_be_stopping(server)
        began = time.monotonic()
        server.ask_to_stop()
        assert server.end() == 0
        assert time.monotonic() - began < AT_ONCE
    with started(tmp_path, *flags(model_server), port=server.port):
        assert poll(client, listener.run).status == "completed"
        assert texts(client, listener.thread.id) == ["hello", "the whole answer"]


def test_with_nothing_under_way_it_stops_at_once(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    """Also where a client keeps its connection, and where a run waits for its client."""
    model.script = [Calls([("weather", "{}")])]
    with started(tmp_path, *flags(model_server), XIAOZHI_STOP_WITHIN=WAITS) as server:
        client = server.client()
        run = poll(client, say(client, "weather?", tools=[WEATHER]))
        path = f"{server.url}/threads/{run.thread_id}/runs/{run.id}/events"
        headers = {"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {KEY}"}
        with httpx2.stream("GET", path, headers=headers, timeout=30) as following:
            lines = following.iter_lines()
            while next(lines) != "event: thread.run.requires_action":
                pass
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < AT_ONCE
            assert "event: error" in list(lines)


def test_a_reader_that_does_not_read_holds_nothing_up_for_long(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [Says(["word " * 10_000] * 20)]
    with started(tmp_path, *flags(model_server), XIAOZHI_STOP_WITHIN="1") as server:
        client = server.client()
        assistant = client.beta.assistants.create(model="scripted")
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hi"}])
        with socket.create_connection(("127.0.0.1", server.port)) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = json.dumps({"assistant_id": assistant.id, "stream": True})
            reader.sendall(
                f"POST /v1/threads/{thread.id}/runs HTTP/1.1\r\nHost: localhost\r\n"
                f"OpenAI-Beta: assistants=v2\r\nAuthorization: Bearer {KEY}\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            while not (runs := client.beta.threads.runs.list(thread.id).data):
                time.sleep(0.02)
            assert poll(client, runs[0]).status == "completed"
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 1 + AT_ONCE
    assert "Traceback" not in "".join(server.said)


def test_an_open_page_does_not_hold_it_up(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    with (
        started(tmp_path, "--model-url", model_server[1], XIAOZHI_STOP_WITHIN=WAITS) as server,
        connect(f"ws://127.0.0.1:{server.port}/_stcore/stream"),
    ):
        time.sleep(0.5)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < AT_ONCE
    assert "Traceback" not in "".join(server.said)


@pytest.mark.timeout(180)
def test_it_stops_although_postgres_is_away_and_its_run_goes_on_later(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [LONG, Says("the whole answer")]
    with postgres_server() as postgres:
        settings = [*flags(model_server), "--database", migrated(postgres.create_database())]
        with started(tmp_path, *settings, XIAOZHI_STOP_WITHIN="1") as server:
            client = server.client()
            listener = Listener(client, "hello")
            listener.wait_for_words()
            postgres.kill()
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 20
        listener.end()
        postgres.start()
        with started(tmp_path, *settings, port=server.port):
            assert poll(client, listener.run).status == "completed"
            assert texts(client, listener.thread.id) == ["hello", "the whole answer"]
