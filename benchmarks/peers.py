"""Our page and the chat pages that it is compared with, each in a process of its own."""

import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from openai import OpenAI

from benchmarks.processes import KEY, PLAIN, free_port, process, server, wait_for
from tests.clients.prepare import prepare_python, python_of

HERE = Path(__file__).parent
CHAINLIT = HERE / "chainlit_page"


@dataclass(frozen=True)
class Served:
    """`address`: where the conversation is."""

    address: str
    process: psutil.Process


@dataclass(frozen=True)
class Peer:
    """`composer`, `questions`: CSS of where one types, and of where what was asked stands.

    `histories`: how many messages there may be before the first question.
    `served`: the page with so many, before the model at a URL; takes (URL, messages).
    """

    name: str
    composer: str
    questions: str
    histories: tuple[int, ...]
    served: Callable[[str, int], AbstractContextManager[Served]]


@contextmanager
def _ours(model: str, history: int) -> Generator[Served]:
    port = free_port()
    with server(port, model) as started:
        address = f"http://127.0.0.1:{port}/"
        if history:
            address += f"?c={_thread_with(history, f'{address}v1')}"
        yield Served(address, psutil.Process(started.pid))


def _thread_with(count: int, url: str) -> str:
    said = [
        {"role": ("user", "assistant")[number % 2], "content": told(number)}
        for number in range(count)
    ]
    with OpenAI(base_url=url, api_key=KEY) as client:
        return client.beta.threads.create(messages=said).id  # type: ignore[arg-type]  # plain dicts


def told(number: int) -> str:
    """The message with that number, as each page has it before the first question."""
    return f"Message {number} of a conversation."


@contextmanager
def _plain(model: str, history: int) -> Generator[Served]:
    port = free_port()
    options = [f"--server.port={port}", *PLAIN]
    script = str(HERE / "plain_page.py")
    command = ["streamlit", "run", script, *options]
    with process(*command, MODEL_URL=model, HISTORY=str(history)) as started:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield Served(f"http://127.0.0.1:{port}/", psutil.Process(started.pid))


@contextmanager
def _chainlit(model: str, history: int) -> Generator[Served]:
    port = free_port()
    options = ["--headless", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        command = ["chainlit", "run", str(CHAINLIT / "page.py"), *options]
        with process(
            *command,
            python=python_of(CHAINLIT),
            MODEL_URL=model,
            HISTORY=str(history),
            # Where it writes its settings and translations
            CHAINLIT_APP_ROOT=folder,
            # Compiled once, and not at each start
            PYTHONDONTWRITEBYTECODE="",
        ) as started:
            wait_for(f"http://127.0.0.1:{port}/")
            yield Served(f"http://127.0.0.1:{port}/", psutil.Process(started.pid))


def prepare(names: list[str]) -> None:
    """Makes the environments that these peers have beside ours."""
    if "chainlit" in names:
        prepare_python(CHAINLIT / "requirements.txt")


IN_STREAMLIT = '[data-testid="stChatInput"] textarea'
PEERS = {
    "ours": Peer("ours", IN_STREAMLIT, '[class*="st-key-ub_"]', (0, 1000), _ours),
    "streamlit": Peer(
        "plain Streamlit", IN_STREAMLIT, '[data-testid="stChatMessage"]', (0, 1000), _plain
    ),
    "chainlit": Peer(
        "Chainlit", "#chat-input", '[data-step-type="user_message"]', (0, 200, 1000), _chainlit
    ),
}
