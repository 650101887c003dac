"""A web site that somebody looks at reaches nothing of the server on their machine."""

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.running import KEY, Running, running
from xiaozhi.chat_models.scripted import Scripted
from xiaozhi.settings import Settings, load

# Open to everybody who knows the key, to everybody, to nobody
PATHS = [
    *["/v1/models", "/v1/nowhere", "/v1/docs", "/v1/openapi.json", "/metrics", "/health/ready"],
    *["/", "/anything"],
]
Lines = Sequence[str]


@pytest.fixture(scope="module")
def server(
    model_server: tuple[Scripted, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """As a laptop has it; the guard knows nothing of databases."""
    with running(
        tmp_path_factory.mktemp("data"),
        model_url=model_server[1],
        allowed_hosts="zero.example, *.lan",
    ) as started:
        yield started


class Answer:
    def __init__(self, received: bytes) -> None:
        head, _, self.body = received.partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in headers)

    @property
    def message(self) -> str:
        return json.loads(self.body)["error"]["message"]


def send(server: Running, target: str, *headers: str, version: str = "1.1") -> Answer:
    """A request exactly as it is given here."""
    lines = [f"GET {target} HTTP/{version}", f"Authorization: Bearer {KEY}", *headers]
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        received = b""
        while data := connection.recv(65536):
            received += data
    return Answer(received)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8501",
        "LOCALHOST.:1",
        "127.0.0.1",
        "127.0.0.2:80",
        "[::1]:8501",
        "zero.example",
        "Zero.Example.:443",
        "box.lan:8501",
        "[::ffff:127.0.0.1]",
    ],
)
def test_names_of_this_server_are_answered(server: Running, host: str):
    assert send(server, "/v1/models", f"Host: {host}").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8501",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "notzero.example",
        "lan",
        "8.8.8.8",
        "[2001:db8::1]:8501",
        "0.0.0.0",
        "127.1",
        "xn--a",
        "",
        "a b",
        "localhost:x",
        "user@localhost",
        "localhost/",
        "localhost, evil.example",
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_no_other_name_is_answered(server: Running, host: str, path: str):
    answer = send(server, path, f"Host: {host}")
    assert answer.status == 421
    assert "This server does not answer to the name" in answer.message
    assert answer.headers["content-type"] == "application/json"


def test_whether_the_process_lives_may_be_asked_by_any_name(server: Running):
    for host in ("evil.example", ""):
        answer = send(server, "/health", f"Host: {host}")
        assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize(
    "hosts", [[], ["Host: localhost", "Host: localhost"], ["Host: localhost", "Host: evil.example"]]
)
def test_there_is_one_host(server: Running, hosts: Lines):
    answer = send(server, "/v1/models", *hosts)
    assert (answer.status, answer.message) == (400, "A request must have one Host header.")
    assert send(server, "/v1/models", *hosts, version="1.0").status == 400


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://evil.example:8501",
        "null",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost",
        "http://127.0.0.1:8501",
        "file://",
        "",
    ],
)
def test_pages_of_other_sites_are_not_answered(server: Running, origin: str, path: str):
    answer = send(server, path, "Host: localhost:8501", f"Origin: {origin}")
    assert answer.status == 421
    assert answer.message.startswith("This server answers its own page and programs")


def test_one_foreign_origin_of_several_is_enough(server: Running):
    both = ["Origin: http://localhost:8501", "Origin: http://evil.example"]
    assert send(server, "/v1/models", "Host: localhost:8501", *both).status == 421


def test_the_name_in_a_whole_address_counts(server: Running):
    answer = send(server, "http://evil.example/v1/models", "Host: localhost")
    assert (answer.status, "'evil.example'" in answer.message) == (421, True)
    assert send(server, "http://localhost:8501/v1/models", "Host: evil.example").status == 200
    assert send(server, "http://[::1]/v1/models").status == 200


def test_its_own_page_is_answered(server: Running):
    for scheme, host in (
        ("http", "localhost:8501"),
        ("http", "[::1]:8501"),
        ("https", "zero.example"),
    ):
        answer = send(server, "/v1/models", f"Host: {host}", f"Origin: {scheme}://{host}")
        assert answer.status == 200


def test_a_browser_shows_a_sentence_in_its_language(server: Running):
    accept = "Accept: text/html,application/xhtml+xml"
    answer = send(server, "/", "Host: <b>evil.example", accept)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == (
        "This server does not answer to the name '<b>evil.example'. If that is its name, start it "
        "with --allowed-hosts <b>evil.example, or list it in XIAOZHI_ALLOWED_HOSTS."
    )
    answer = send(server, "/", "Host: evil.example", accept, "Accept-Language: zh-CN,zh")
    assert answer.body.decode().startswith("这台服务器不接受以“evil.example”这个名称访问。")


def test_on_a_network_every_address_is_answered_but_no_name(
    tmp_path: Path, model_server: tuple[Scripted, str]
):
    """What kubelet and load balancers send is an address; an address cannot be rebound."""
    for host in ("0.0.0.0", "::", "192.168.1.5"):
        with running(tmp_path, model_url=model_server[1], host=host) as server:
            for name in ("10.1.2.3:8501", "[2001:db8::1]", "localhost", "192.168.1.5"):
                assert send(server, "/health/ready", f"Host: {name}").status == 200
            for name in ("evil.example", "1.2.3.4.evil.example", "xiaozhi"):
                assert send(server, "/health/ready", f"Host: {name}").status == 421


def test_the_name_that_it_listens_on_is_its_own(tmp_path: Path, model_server: tuple[Scripted, str]):
    with running(tmp_path, model_url=model_server[1], host="zero.local") as server:
        assert send(server, "/v1/models", "Host: Zero.local:8501").status == 200
        assert send(server, "/v1/models", "Host: other.local").status == 421


def test_the_setting_is_a_list_or_a_line(monkeypatch: pytest.MonkeyPatch):
    expected = {"zero.example", "*.lan", "fd00::1"}
    for value in ("zero.example,*.lan fd00::1", ["Zero.example", "*.lan", "[fd00::1]"]):
        assert Settings(allowed_hosts=value).allowed_hosts == expected  # type: ignore[arg-type]  # because it is read as the setting is
    monkeypatch.setenv("XIAOZHI_ALLOWED_HOSTS", "https://zero.example/, *.lan,fd00::1")
    assert load({}).allowed_hosts == expected
    with pytest.raises(ValidationError, match="'a_b c' is no host name"):
        Settings(allowed_hosts=["a_b c"])  # type: ignore[arg-type]  # because it is read as the setting is
