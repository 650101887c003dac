"""What the page decides, without a browser: Streamlit's AppTest runs it against a real server.

Each in a process of its own: AppTest leaves no runtime behind, and the other tests' page has one.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
from streamlit.testing.v1 import AppTest

from tests.process.processes import free_port
from tests.running import KEY, Running, running
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.ui.page import SCRIPT


@pytest.fixture(scope="module")
def api(
    model_server: tuple[Scripted, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("data"), model_url=model_server[1]) as server:
        yield server


def apart(looked_at: Callable[[AppTest], None], port: int) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        process.submit(_look, looked_at, port).result(timeout=60)


def _look(looked_at: Callable[[AppTest], None], port: int) -> None:
    page = AppTest.from_file(str(SCRIPT), default_timeout=30)
    page.secrets["XIAOZHI_URL"] = f"http://127.0.0.1:{port}/v1"
    page.secrets["XIAOZHI_API_KEY"] = KEY
    looked_at(page)
    assert not page.exception


def test_a_first_question_begins_a_conversation(api: Running, model: Scripted):
    model.script = [Says("Good day!")]
    apart(_ask, api.port)


def _ask(page: AppTest) -> None:
    page.run()
    assert [title.value for title in page.title] == ["小智·Zero"]
    page.chat_input[0].set_value("Hello?").run()
    assert not page.title
    assert "c" in page.query_params
    assert "Hello?" in [text.value for text in page.text]


def test_a_conversation_that_is_not_there_is_told_and_left(api: Running):
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
