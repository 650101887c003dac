"""/health/ready: what it says, what it keeps to itself, and what it costs."""

import json
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import InternalServerError

from tests.postgres import PostgresServer, migrated
from tests.running import Running, running, until
from xiaozhi.api.health import REMEMBERED


class Provider(ThreadingHTTPServer):
    """A model endpoint that only counts how often it is asked. `slow`: it waits for `answer`."""

    def __init__(self, *, status: int = 200, slow: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = status
        self.asked = 0
        self.answer = threading.Event()
        if not slow:
            self.answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.asked += 1
        server.answer.wait(20)
        body = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
        self.send_response(server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def provider(**how: Any) -> Generator[Provider]:
    with Provider(**how) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.answer.set()
            server.shutdown()
            thread.join(10)


def ready(server: Running) -> httpx2.Response:
    return httpx2.get(f"{server.url[:-3]}/health/ready", timeout=20)


def test_a_model_that_is_away_is_told_and_decides_nothing(tmp_path: Path):
    with running(tmp_path, model_url="http://secret-user-host.invalid:9/v1") as server:
        until(lambda: ready(server).json()["model"] != "not known yet")
        answer = ready(server)
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "database": "ok",
            "model": "The model endpoint cannot be reached",
        }


def test_a_model_that_does_not_answer_is_not_waited_for(tmp_path: Path):
    with provider(slow=True) as endpoint, running(tmp_path, model_url=endpoint.url) as server:
        answer = ready(server)
        assert answer.status_code == 200
        assert answer.json()["model"] == "not known yet"
        endpoint.answer.set()
        until(lambda: ready(server).json()["model"] == "ok")


def test_many_that_ask_cost_one_look(tmp_path: Path):
    with provider() as endpoint, running(tmp_path, model_url=endpoint.url) as server:
        at_start = 1  # the list of models
        until(lambda: endpoint.asked == at_start)
        began = time.monotonic()
        with ThreadPoolExecutor(20) as clients:
            answers = list(clients.map(ready, [server] * 100))
        looks = 1 + (time.monotonic() - began) // REMEMBERED
        assert {answer.status_code for answer in answers} == {200}
        assert at_start < endpoint.asked <= at_start + looks


def test_it_writes_nothing(tmp_path: Path):
    with running(tmp_path, model_url="http://127.0.0.1:9/v1") as server:
        with server.client() as client:
            client.beta.threads.create()
        before = {path.name: path.read_bytes() for path in tmp_path.glob("xiaozhi.db*")}
        assert ready(server).status_code == 200
        after = {path.name: path.read_bytes() for path in tmp_path.glob("xiaozhi.db*")}
        # But for the marks of readers
        del before["xiaozhi.db-shm"], after["xiaozhi.db-shm"]
        assert after == before


def test_a_database_that_is_gone_is_told_at_once_and_writes_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with (
        running(tmp_path, model_url="http://127.0.0.1:9/v1") as server,
        server.client() as client,
    ):
        thread = client.beta.threads.create()
        assert ready(server).status_code == 200
        (tmp_path / "xiaozhi.db").unlink()
        with pytest.raises(InternalServerError) as refused:
            client.beta.threads.create()
        assert refused.value.status_code == 503
        assert str(tmp_path) not in str(refused.value)
        # Although a look has said "ok" a moment ago
        answer = ready(server)
        assert answer.status_code == 503
        assert answer.json()["database"] == "unavailable"
        assert str(tmp_path) not in answer.text
        assert client.beta.threads.retrieve(thread.id) == thread
    told = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert len(told) == 1
    assert str(tmp_path) in told[0]
    assert not (tmp_path / "xiaozhi.db").exists()


def test_damage_is_told_as_what_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    settings: Any = {"model_url": "http://127.0.0.1:9/v1"}
    with running(tmp_path, **settings) as server, server.client() as client:
        threads = [client.beta.threads.create(metadata={"a": "x" * 500}) for _ in range(40)]
    path = tmp_path / "xiaozhi.db"
    size = path.stat().st_size
    with running(tmp_path, **settings) as server, server.client() as client:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        calls = [
            lambda: client.beta.threads.retrieve(threads[0].id),
            lambda: client.beta.threads.messages.list(threads[0].id),
            lambda: client.beta.threads.create(),
            lambda: client.beta.threads.delete(threads[0].id),
            lambda: client.get("/threads?q=x", cast_to=object, options=with_beta()),
        ]
        for call in calls:
            with pytest.raises(InternalServerError, match="The database cannot be") as refused:
                call()
            assert refused.value.status_code == 503
        assert ready(server).status_code == 503
    assert "Traceback" not in caplog.text
    assert len([record for record in caplog.records if record.levelname == "CRITICAL"]) == 1


def with_beta() -> Any:
    return {"headers": {"OpenAI-Beta": "assistants=v2"}}


def test_postgres_is_looked_at_without_a_write(tmp_path: Path, postgres: PostgresServer):
    address = migrated(postgres.create_database())
    with running(tmp_path, model_url="http://127.0.0.1:9/v1", database=address) as server:
        assert ready(server).json()["database"] == "ok"
