"""A server with the page, and Chromium to look at it.

They end with the tests of this folder: Playwright leaves an event loop running in the test's
thread, in which other tests could not run one of their own.
"""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.running import Running, running
from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.ui.titles import WISH

OLD_ASSISTANT = "asst_FromOpenAIsDays0000000001"

# Chromium as root, and without its own calls to the outside
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def model_server() -> Iterator[tuple[Scripted, str]]:
    # Titles are asked for behind an answer, at any time: they take no line of a test's script.
    model = Scripted()
    model.aside = titled
    model.models = ["scripted", "blind"]
    model.sees = {"blind": ["text"]}
    with model.served() as url:
        yield model, url


@pytest.fixture(scope="package")
def server(
    model_server: tuple[Scripted, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Streamlit allows one app a process: all tests of the page share this one."""
    with running(
        tmp_path_factory.mktemp("data"),
        model_url=model_server[1],
        ui=True,
        openai_assistant_id=OLD_ASSISTANT,
    ) as server:
        yield server


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """To be asked for behind `server`, whose start waits: a loop runs in this thread then."""
    with sync_playwright() as playwright:
        yield playwright


def launched(
    playwright: Playwright, *flags: str, program: str = "chromium-headless-shell"
) -> Browser:
    """`program`: the build without a window, in which a page costs half the CPU, or "chromium"."""
    path = shutil.which(program)
    assert path, f"{program} is missing: ./test installs it"
    return playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launched(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def contexts(chromium: Browser) -> dict[str, BrowserContext]:
    """One a kind of visitor, so that the page's code is loaded once: its state is a tab's own."""
    return {}


@pytest.fixture
def look(
    server: Running, chromium: Browser, contexts: dict[str, BrowserContext], model: Scripted
) -> Iterator[Looking]:
    """Opens pages; whatever they ask of other origins, or complain of, fails the test.

    So does what the page's policy (`page_policy.py`) stops.
    """
    pages: list[Page] = []
    troubles: list[str] = []

    def page(**options: Any) -> Page:
        chosen: dict[str, Any] = {
            "locale": "zh-CN",
            "viewport": {"width": 1440, "height": 900},
            **options,
        }
        kind = repr(chosen)
        if kind not in contexts:
            contexts[kind] = chromium.new_context(**chosen)
        page = contexts[kind].new_page()
        pages.append(page)
        page.on("request", lambda request: _note(troubles, request.url, server))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: _note_violation(troubles, message.text))
        return page

    yield Looking(f"http://127.0.0.1:{server.port}/", page)
    for opened in pages:
        opened.close()
    assert troubles == []


def at_a_function(look: Looking, client: OpenAI) -> Seen:
    """A page on which a run waits for the function `weather`, which the model has to ask for."""
    weather: Any = {"type": "function", "function": {"name": "weather"}}
    assistant = client.beta.assistants.create(model="scripted", tools=[weather])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "天气？"}]},
        poll_interval_ms=20,
    )
    return look(f"{look.address}?c={run.thread_id}")


def titled(body: Mapping[str, Any]) -> Says | None:
    """A title, where one is wished for: the question's first word and a sign that it was made."""
    asked = str(body["messages"][0]["content"])
    if not asked.startswith(WISH):
        return None
    return Says(f"《{asked.partition('Question: ')[2].split()[0]}★》")


def _note(troubles: list[str], url: str, server: Running) -> None:
    if not url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")):
        troubles.append(url)


def _note_violation(troubles: list[str], words: str) -> None:
    if "Content Security Policy" in words:
        troubles.append(words)
