"""What a web site that somebody visits can do to the server on their machine, in Chromium."""

import http.client
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, Page, Playwright, Response
from streamlit.web.server.server_util import is_url_from_allowed_origins
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.process.test_proxy import proxy
from tests.running import KEY, Running
from tests.ui.conftest import launched
from tests.ui.looking import Looking
from xiaozhi.ui.page_policy import policy

EVIL = "evil.example"
SECRET = "Diagnosis"
FRAME = """<body><iframe src="{address}"></iframe><script>
addEventListener("load", () => document.title = "loaded")
</script></body>"""
SOCKET = """<body><script>
const socket = new WebSocket("{address}", ["streamlit", "no-token"])
socket.onopen = () => document.title = "open"
socket.onerror = () => document.title = "refused"
</script></body>"""


@pytest.fixture
def conversation(client: OpenAI) -> str:
    """Its title is what must not be read."""
    return client.beta.threads.create(
        messages=[{"role": "user", "content": SECRET}],
        metadata={"app": "xiaozhi", "shelf": "recent", "title": SECRET},
    ).id


@pytest.fixture
def rebound(playwright: Playwright) -> Generator[Browser]:
    """A browser for which the site's name is this machine, as its name server says by now."""
    browser = launched(playwright, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1")
    yield browser
    browser.close()


@contextmanager
def site(html: str) -> Generator[str]:
    """Another web site, with one page. Its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def visited(browser: Browser, address: str) -> tuple[Page, Response | None]:
    page = browser.new_context().new_page()
    return page, page.goto(address)


def test_a_name_that_was_rebound_reads_nothing(
    rebound: Browser, server: Running, conversation: str
):
    for path in (f"?c={conversation}", "v1/docs", "health/ready", "metrics", "v1/models"):
        page, answer = visited(rebound, f"http://{EVIL}:{server.port}/{path}")
        assert answer
        assert answer.status == 421
        assert page.content().count("This server does not answer to the name") == 1
        assert SECRET not in page.content()
    # The same page under its own name shows it: the site would have read it.
    page, answer = visited(rebound, f"http://localhost:{server.port}/?c={conversation}")
    page.get_by_text(SECRET).first.wait_for()


def test_no_script_of_a_rebound_name_opens_the_socket(rebound: Browser, server: Running):
    # As the site's own page, which was loaded before its name was rebound, and has its own policy
    page = rebound.new_context(bypass_csp=True).new_page()
    page.goto(f"http://{EVIL}:{server.port}/health")
    script = SOCKET.partition("<script>")[2].partition("</script>")[0]
    page.evaluate(script.format(address=f"ws://{EVIL}:{server.port}/_stcore/stream"))
    page.wait_for_function("document.title != ''")
    assert page.title() == "refused"
    asked = "async path => (await fetch(path)).status"
    for path in ("/", "/v1/models", "/metrics", "/health/ready", "/_stcore/host-config"):
        assert page.evaluate(asked, path) == 421


def test_a_page_of_another_port_does_not_open_the_socket(server: Running, chromium: Browser):
    for name in ("localhost", "127.0.0.1"):
        with site(SOCKET.format(address=f"ws://{name}:{server.port}/_stcore/stream")) as address:
            page, _answer = visited(chromium, address)
            page.wait_for_function("document.title != ''")
            assert page.title() == "refused"


@pytest.mark.parametrize("path", ["", "v1/docs", "health"])
def test_no_other_site_frames_it(server: Running, chromium: Browser, path: str):
    with site(FRAME.format(address=f"http://127.0.0.1:{server.port}/{path}")) as address:
        page = chromium.new_context().new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.goto(address)
        page.wait_for_function("document.title == 'loaded'")
        [_site, framed] = page.frames
        assert framed.url.startswith("chrome-error://")
        assert any("frame-ancestors" in words for words in told)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:3000", None),
        ("http://evil.example", None),
        ("null", None),
        ("http://evil.example:{port}", "evil.example:{port}"),
        (None, "evil.example:{port}"),
    ],
)
def test_the_socket_is_refused_with_a_sentence(
    server: Running, origin: str | None, host: str | None
):
    named = f"localhost:{server.port}" if host is None else host.format(port=server.port)
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(
            f"ws://{named}/_stcore/stream",
            sock=socket.create_connection(("127.0.0.1", server.port)),
            origin=Origin(origin.format(port=server.port)) if origin else None,
            subprotocols=[Subprotocol("streamlit")],
        ),
    ):
        pass
    response = refused.value.response
    assert response.status_code == 421
    assert b"This server" in response.body
    assert response.headers["x-content-type-options"] == "nosniff"


def test_streamlit_asks_nobody_for_the_address_of_this_machine(
    server: Running, monkeypatch: pytest.MonkeyPatch
):
    with proxy() as (address, received):
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address)
        assert not is_url_from_allowed_origins("http://evil.example")
    assert received == []


def ask(server: Running, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {KEY}", **headers})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_every_answer_has_the_security_headers(server: Running):
    for path in (
        *("/", "/?c=1", "/favicon.png", "/app/static/zero.css", "/_stcore/health", "/nothing.js"),
        *("/v1/models", "/v1/nowhere", "/v1/docs", "/health", "/health/ready", "/metrics"),
    ):
        response, _body = ask(server, path)
        assert response.headers.get_all("x-content-type-options") == ["nosniff"], path
        assert response.headers["referrer-policy"] == "same-origin"
        assert response.headers["x-frame-options"] == "SAMEORIGIN"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        told = response.headers["content-security-policy"]
        assert "default-src 'none'" in told
        assert "frame-ancestors" in told


def test_the_page_may_load_nothing_from_elsewhere(server: Running):
    response, body = ask(server, "/")
    told = response.headers["content-security-policy"]
    assert told == policy(body, f"127.0.0.1:{server.port}")
    sources = {word for part in told.split("; ") for word in part.split()[1:]}
    known = {"'self'", "'none'", "'unsafe-inline'", "blob:", "data:"}
    own = {f"{scheme}://127.0.0.1:{server.port}" for scheme in ("ws", "wss")}
    hashes = {word for word in sources - known - own if word.startswith("'sha256-")}
    assert sources - known - own == hashes
    assert len(hashes) == 1
    [scripts] = [part for part in told.split("; ") if part.startswith("script-src")]
    assert "unsafe" not in scripts
    assert "http" not in told


def test_only_what_the_page_needs_of_streamlits_own_is_served(server: Running):
    for path in (
        *("metrics", "agent/openapi.json", "agent/interact", "agent/mcp", "script-health-check"),
        *("allowed-message-origins", "anything"),
    ):
        response, body = ask(server, f"/_stcore/{path}")
        assert (response.status, body) == (404, b"Not Found")
    response, body = ask(server, "/_stcore/host-config")
    assert json.loads(body)["allowedOrigins"] == []


def test_the_documents_work_under_their_policy(look: Looking, server: Running):
    page = look.at(f"{look.address}v1/docs").page
    page.get_by_text("/threads/{thread_id}/runs", exact=True).first.wait_for()
    page.get_by_text("/models", exact=True).first.click()
    page.get_by_role("button", name="Try it out").first.click()
    page.get_by_role("button", name="Execute").first.click()
    page.get_by_text("You didn't provide an API key").first.wait_for()
