"""Where an endpoint is and how it is asked: keys, passwords, redirects, a proxy."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.running import running
from xiaozhi import settings
from xiaozhi.chat_models.scripted import Says, Scripted, Sends
from xiaozhi.endpoint_address import Endpoint
from xiaozhi.errors import CannotStart


def completed_run(client: OpenAI) -> Run:
    assistant = client.beta.assistants.create(model="scripted")
    thread: Any = {"messages": [{"role": "user", "content": "SECRET"}]}
    return client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread=thread, poll_interval_ms=20
    )


class Elsewhere:
    """Another server, and what reaches it. `answers`: the whole HTTP answer to everything."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str | None, bytes]] = []
        self.forward: tuple[int, dict[str, str], bytes] = (502, {}, b"")

    @contextmanager
    def served(self) -> Iterator[str]:
        place = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size)
                place.came.append((self.path, self.headers.get("authorization"), body))
                status, headers, sent = place.forward
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


ANSWER = (
    200,
    {"content-type": "application/json"},
    b'{"choices": [{"message": {"content": "Hi"}}]}',
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_place_is_not_followed(tmp_path: Path, status: int):
    elsewhere = Elsewhere()
    elsewhere.forward = ANSWER
    with elsewhere.served() as other:
        sends = Sends([b""], status=status, headers=(("location", f"{other}/v1/x"),))
        with (
            Scripted(otherwise=sends).served() as url,
            running(tmp_path, model_url=url) as server,
            server.client() as client,
        ):
            run = completed_run(client)
    assert run.status == "failed"
    assert run.last_error
    assert f"it redirects to {other}, where nothing is sent" in run.last_error.message
    assert elsewhere.came == []


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_within_a_host_is_followed(tmp_path: Path, status: int):
    model = Scripted([Sends([b""], status=status, headers=(("location", "completions?x=1"),))])
    with (
        model.served() as url,
        running(tmp_path, model_url=url, openai_api_key="key") as server,
        server.client() as client,
    ):
        model.otherwise = Says("Hi")
        run = completed_run(client)
    assert run.status == "completed"
    assert [body["messages"][-1]["content"] for body in model.requests] == ["SECRET"] * 2
    assert model.api_keys == {"Bearer key"}


def test_a_proxy_is_asked_for_places_that_are_not_on_this_machine(tmp_path: Path):
    proxy = Elsewhere()
    proxy.forward = ANSWER
    with proxy.served() as address, Scripted(otherwise=Says("Hi")).served() as url:
        chosen: Any = {"model_proxy": address.replace("//", "//ann:pass@")}
        far: Any = {"model_url": "http://models.example/v1", "openai_api_key": "key", **chosen}
        with running(tmp_path / "far", **far) as server, server.client() as client:
            assert completed_run(client).status == "completed"
        posts = [path for path, _, body in proxy.came if b"SECRET" in body]
        assert posts == ["http://models.example/v1/chat/completions"]
        proxy.came.clear()
        with (
            running(tmp_path / "near", model_url=url, **chosen) as server,
            server.client() as client,
        ):
            assert completed_run(client).status == "completed"
        assert proxy.came == []


def test_a_proxy_of_the_environment_is_not_asked_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    proxy = Elsewhere()
    with proxy.served() as address, Scripted(otherwise=Says("Hi")).served() as url:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        # For the client of this test
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with running(tmp_path / "near", model_url=url) as server, server.client() as client:
            assert completed_run(client).status == "completed"
        assert "XIAOZHI_MODEL_PROXY" not in caplog.text
        with running(tmp_path / "far", model_url="http://models.invalid/v1"):
            pass
        assert "XIAOZHI_MODEL_PROXY" in caplog.text
        assert proxy.came == []


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t"])
def test_the_line_end_behind_a_key_or_an_address_is_no_part_of_it(tmp_path: Path, end: str):
    model = Scripted(otherwise=Says("Hi"))
    with (
        model.served() as url,
        running(tmp_path, model_url=url + end, openai_api_key="key" + end) as server,
        server.client() as client,
    ):
        assert completed_run(client).status == "completed"
    assert model.api_keys == {"Bearer key"}


def test_a_password_in_the_address_is_used_and_not_shown(tmp_path: Path):
    model = Scripted(otherwise=Says("Hi"))
    with model.served() as url:
        secret = url.replace("//", "//ann:p%40ss@")
        with (
            running(tmp_path, model_url=secret, openai_api_key="key") as server,
            server.client() as client,
        ):
            assert completed_run(client).status == "completed"
        assert model.api_keys == {"Basic " + base64.b64encode(b"ann:p@ss").decode()}
    with running(tmp_path, model_url=secret) as server, server.client() as client:
        run = completed_run(client)
    assert run.last_error
    assert "cannot be reached" in run.last_error.message
    assert "ss@" not in run.last_error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_url", "localhost:8000/v1"),
        ("model_url", "ftp://host/v1"),
        ("model_url", "http://"),
        ("model_url", "http://host:port/v1"),
        ("model_url", "http://ho st/v1"),
        ("model_url", "http://host/v1\nhttp://other/v1"),
        ("ollama_url", "host"),
        ("model_proxy", "socks5://host:1"),
        ("openai_api_key", "sk-a\nsk-b"),
        ("openai_api_key", "sk-中"),
    ],
)
def test_what_cannot_be_right_is_refused_in_a_sentence(name: str, value: str):
    with pytest.raises(CannotStart, match=f"The setting '{name}' cannot be right") as error:
        settings.load({name: value})
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
        (
            "https://api.example.com/v1/chat/completions",
            "https://api.example.com/v1/chat/completions",
        ),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
        (
            "https://x.openai.azure.com/openai/deployments/d?api-version=1",
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
        ),
    ],
)
def test_an_address_is_taken_as_people_write_it(address: str, place: str):
    assert Endpoint.of(address, None).at("/chat/completions") == place


def test_azure_s_older_addresses_get_the_key_as_they_want_it():
    old = Endpoint.of("https://x.openai.azure.com/openai/deployments/d?api-version=1", "key")
    assert old.headers == {"api-key": "key"}
    new = Endpoint.of("https://x.openai.azure.com/openai/v1", "key")
    assert new.headers == {"Authorization": "Bearer key"}
