"""What the page decides, without a browser: Streamlit's AppTest runs it against a real server.

Each in a process of its own: AppTest leaves no runtime behind, and the other tests' page has one.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from tests.process.processes import Process, free_port, started
from tests.running import KEY, running
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.ui.page import SCRIPT

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def api(
    model_server: tuple[Scripted, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    with started(tmp_path_factory.mktemp("data"), "--model-url", model_server[1]) as process:
        yield process


def apart(story: Callable[[AppTest], None], port: int) -> None:
    """`story`: a function of this module."""
    command = [sys.executable, "-m", __name__, story.__name__, str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]


def tell(story: Callable[[AppTest], None], port: int) -> None:
    page = AppTest.from_file(str(SCRIPT), default_timeout=30)
    page.secrets["XIAOZHI_URL"] = f"http://127.0.0.1:{port}/v1"
    page.secrets["XIAOZHI_API_KEY"] = KEY
    story(page)
    assert not page.exception


def test_a_first_question_begins_a_conversation(api: Process, model: Scripted):
    model.script = [Says("Good day!")]
    apart(_ask, api.port)


def _ask(page: AppTest) -> None:
    page.run()
    assert [title.value for title in page.title] == ["小智·Zero"]
    page.chat_input[0].set_value("Hello?").run()
    assert not page.title
    assert "c" in page.query_params
    assert "Hello?" in [text.value for text in page.text]


def test_a_conversation_that_is_not_there_is_told_and_left(api: Process):
    apart(_look_for_what_is_gone, api.port)


def _look_for_what_is_gone(page: AppTest) -> None:
    page.query_params["c"] = "thread_none"
    page.run()
    assert "This conversation is not there (any more)." in [info.value for info in page.info]
    page.button(key="anew").click().run()
    assert "c" not in page.query_params


def test_a_question_that_cannot_be_sent_is_kept():
    apart(_ask_nobody, free_port())


def _ask_nobody(page: AppTest) -> None:
    """There is no server."""
    page.run()
    page.chat_input[0].set_value("Hello?").run()
    assert "c" not in page.query_params
    assert ["The server cannot be reached" in error.value for error in page.error] == [True]
    assert page.chat_input[0].value == "Hello?"


def test_a_list_of_models_that_could_not_be_read_is_not_remembered():
    apart(_ask_for_models_twice, free_port())


def _ask_for_models_twice(page: AppTest) -> None:
    """The server is there for the second time only."""

    def script() -> None:
        import streamlit as st

        from xiaozhi.ui.client import models

        st.text(str([model.id for model in models()]))

    asking = AppTest.from_function(script, default_timeout=30)
    asking.secrets = page.secrets
    asking.run()
    assert [text.value for text in asking.text] == ["[]"]
    port = urlsplit(str(page.secrets["XIAOZHI_URL"])).port
    assert port is not None
    with Scripted().served() as url, running(Path(mkdtemp()), port=port, model_url=url):
        asking.run()
    assert ["scripted" in text.value for text in asking.text] == [True]
    assert not asking.exception
    page.run()


def test_what_cannot_be_tried_again_leaves_held_pictures_alone():
    apart(_try_again_with_nobody, free_port())


def _try_again_with_nobody(page: AppTest) -> None:
    def script() -> None:
        import streamlit as st
        from openai.types.beta.threads import Run

        from xiaozhi.ui import turns
        from xiaozhi.ui.conversation import Conversation
        from xiaozhi.ui.question import Picture, Question

        held = st.session_state.held = Question("", (Picture(b"a picture", "image/png"),))
        st.session_state.draft = "half a sent"
        turns.ask_again(Conversation("thread_1"), Run.model_construct(id="run_1"))
        st.text(str(st.session_state.get("held") == held))
        st.text(st.session_state.draft)
        turns.show_problem()

    trying = AppTest.from_function(script, default_timeout=30)
    trying.secrets = page.secrets
    trying.run()
    assert not trying.exception
    assert [text.value for text in trying.text] == ["True", "half a sent"]
    assert ["The server cannot be reached" in error.value for error in trying.error] == [True]
    page.run()


def test_a_conversation_that_cannot_be_read_is_asked_for_once():
    apart(_look_at_a_broken_server, free_port())


def _look_at_a_broken_server(page: AppTest) -> None:
    with _answering(page, 500) as asked:
        page.query_params["c"] = "thread_1"
        page.run()
    assert ["The server refused this" in error.value for error in page.error] == [True]
    assert page.button(key="reload")
    assert asked.count("/v1/threads/thread_1") == 1


def test_a_server_that_says_nothing_is_waited_for_once():
    apart(_look_at_a_silent_server, free_port())


def _look_at_a_silent_server(page: AppTest) -> None:
    """As long as it is waited for the page is blank."""
    with _answering(page, None) as asked:
        page.query_params["c"] = "thread_1"
        page.run(timeout=60)
        assert ["The server cannot be reached" in error.value for error in page.error] == [True]
        assert page.button(key="reload")
    assert asked == ["/v1/threads/thread_1"]


@contextmanager
def _answering(page: AppTest, status: int | None) -> Iterator[list[str]]:
    """A server that refuses everything, or never answers; the paths that it was asked for."""
    asked: list[str] = []
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if status is None:
                ended.wait(120)
            else:
                self.send_response(status)
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    port = urlsplit(str(page.secrets["XIAOZHI_URL"])).port
    assert port is not None
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield asked
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    tell(globals()[sys.argv[1]], int(sys.argv[2]))
