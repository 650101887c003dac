"""deploy/nginx.conf, run by Debian's nginx, in front of two real servers (they share no data)."""

import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from openai import InternalServerError, OpenAI
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.deploy.balancing import balanced, program, status
from tests.process.processes import Process
from tests.running import KEY, Running, running
from xiaozhi.api.transport import LARGEST_BODY
from xiaozhi.chat_models.scripted import Says, Scripted

ASSISTANT = "asst_on_both"

# Two servers with the page begin beside all else that runs here.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, model_server: tuple[Scripted, str]
) -> Generator[str]:
    """A balancer's, with two replicas that have the page: of that a process has only one."""
    program()
    folder = tmp_path_factory.mktemp("balanced")
    with ExitStack() as stack:
        # Both at once: each takes seconds.
        replicas = [
            Process(
                folder / name,
                *("--model-url", model_server[1], "--allowed-hosts", "assistant.example"),
            )
            for name in ("one", "other")
        ]
        for replica in replicas:
            stack.callback(replica.kill)
        for replica in replicas:
            replica.wait_until_ready()
            introduce(replica)
        yield stack.enter_context(balanced(folder, [replica.port for replica in replicas]))


def introduce(replica: Process | Running) -> None:
    """Every replica has the assistant; its name says which replica tells of it."""
    with replica.client() as client:
        client.beta.assistants.create(
            model="scripted", name=str(replica.port), extra_body={"id": ASSISTANT}
        )


def client_of(address: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)


def who_answers(client: OpenAI) -> str | None:
    return client.beta.assistants.retrieve(ASSISTANT).name


def cookie_of_a_new_browser(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as page:
        cookie: str = page.headers["Set-Cookie"]
    return cookie.split(";")[0]


def session(address: str, cookie: str, resumed: str | None = None) -> str:
    """The page's session that a tab gets, as Streamlit's own script speaks to it."""
    wanted = ["streamlit", "no-token", *([resumed] if resumed else [])]
    where = urlsplit(address)
    with connect(
        # The address that the browser knows: the page's own, or Streamlit refuses it.
        "ws://assistant.example:8443/_stcore/stream",
        sock=socket.create_connection((where.hostname, where.port)),
        origin=Origin("https://assistant.example:8443"),
        subprotocols=[Subprotocol(word) for word in wanted],
        additional_headers={"Cookie": cookie},
    ) as tab:
        tab.send(BackMsg(rerun_script=ClientState()).SerializeToString())
        for said in tab:
            assert isinstance(said, bytes)
            message = ForwardMsg.FromString(said)
            if message.HasField("new_session"):
                return message.new_session.initialize.session_id
    raise AssertionError("the page said nothing")


@pytest.mark.parametrize(
    ("name", "answered"), [("assistant.example:8443", 200), ("evil.example", 421)]
)
def test_the_name_that_a_browser_used_reaches_the_replica(address: str, name: str, answered: int):
    for path in ("/", "/health/ready", "/v1/docs"):
        asked = urllib.request.Request(address + path, headers={"Host": name})
        assert status(asked) == answered


def test_calls_go_to_each_of_the_replicas(address: str):
    with client_of(address) as client:
        assert len({who_answers(client) for _ in range(8)}) == 2
    assert status(f"{address}/health/ready") == 200


def test_a_stream_passes_piece_by_piece(address: str, model: Scripted):
    model.script = [Says("one two three four", pause=0.5)]
    came: dict[str, float] = {}
    with client_of(address) as client:
        for event in client.beta.threads.create_and_run(
            assistant_id=ASSISTANT,
            thread={"messages": [{"role": "user", "content": "Count."}]},
            stream=True,
        ):
            came.setdefault(event.event, time.monotonic())
    # A balancer that gathers them hands all of them out at once.
    assert came["thread.run.completed"] - came["thread.message.delta"] > 0.75


def test_a_tab_comes_back_to_its_session(address: str):
    for cookie in [cookie_of_a_new_browser(address) for _ in range(4)]:
        first = session(address, cookie)
        # The other replica does not know it, and would begin a new one.
        assert [session(address, cookie, resumed=first) for _ in range(3)] == [first] * 3


def test_a_browser_keeps_its_cookie(address: str):
    asked = urllib.request.Request(address, headers={"Cookie": cookie_of_a_new_browser(address)})
    with urllib.request.urlopen(asked, timeout=10) as page:
        assert page.headers["Set-Cookie"] is None


def test_a_body_that_is_too_large_is_refused_by_the_server(address: str):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.putrequest("POST", "/v1/assistants")
    connection.putheader("Authorization", f"Bearer {KEY}")
    connection.putheader("OpenAI-Beta", "assistants=v2")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(LARGEST_BODY + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "too large" in json.load(answer)["error"]["message"]
    connection.close()


def test_what_only_the_inside_may_see_is_not_there(address: str):
    assert status(f"{address}/metrics") == 404


def test_a_replica_that_is_gone_is_passed_over(tmp_path: Path, model_server: tuple[Scripted, str]):
    program()
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(running(tmp_path / name, model_url=model_server[1]))
            for name in ("one", "other")
        )
        introduce(one)
        introduce(other)
        address = stack.enter_context(balanced(tmp_path, [one.port, other.port]))
        client = stack.enter_context(client_of(address))
        assert len({who_answers(client) for _ in range(8)}) == 2
        one.stop()
        assert {who_answers(client) for _ in range(8)} == {str(other.port)}
        other.stop()
        with pytest.raises(InternalServerError, match="No server can be reached") as refused:
            who_answers(client)
        assert refused.value.status_code == 503
        assert refused.value.type == "server_error"
