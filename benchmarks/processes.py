"""The server and the scripted model as processes of their own, as in real life."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

KEY = "benchmark-key"
READY_WITHIN = 60.0  # s

# In either form of the log
NEWS = re.compile(r' INFO |"level": "info"')

# How the plain Streamlit page is run: on this machine only, and quietly
PLAIN = (
    "--server.address=127.0.0.1",
    "--server.headless=true",
    "--browser.gatherUsageStats=false",
    "--logger.level=error",
)

# Compiled modules are kept, as on every machine that does not forbid it: a second start has them.
BYTECODE = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def process(
    *arguments: str,
    code: Path | None = None,
    python: Path | str = sys.executable,
    **environment: str,
) -> Generator[subprocess.Popen[bytes]]:
    """`python -m` with `arguments`, ended at the end. `code`: another checkout than this one.

    `python`: that of another environment. What it logs is told at the end, if it is more than
    news.
    """
    with tempfile.TemporaryFile("w+") as logged:
        started = subprocess.Popen(
            [python, "-m", *arguments],
            env={**BYTECODE, **environment},
            cwd=code,
            # Greetings
            stdout=subprocess.DEVNULL,
            stderr=logged,
        )
        try:
            yield started
        finally:
            started.terminate()
            started.wait()
            logged.seek(0)
            sys.stderr.writelines(line for line in logged if not NEWS.search(line))


@contextmanager
def scripted_model(port: int, *, words: int = 200, pause: float = 0.0) -> Generator[str]:
    """A model that says `words` words, `pause` s apart. Yields its base URL."""
    options = ["--port", str(port), "--words", str(words), "--pause", str(pause)]
    with process("xiaozhi.chat_models.scripted", *options):
        url = f"http://127.0.0.1:{port}/v1"
        wait_for(f"{url}/models")
        yield url


@contextmanager
def server(
    port: int,
    model_url: str,
    *options: str,
    data: Path | None = None,
    code: Path | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """The real server, on SQLite and with the page unless `options` say otherwise: its process."""
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        flags = ["--port", str(port), "--data", str(folder), "--model-url", model_url]
        flags += ["--ollama-url", ""]
        started = stack.enter_context(
            process("xiaozhi", "serve", *flags, *options, code=code, XIAOZHI_API_KEY=KEY)
        )
        wait_for(f"http://127.0.0.1:{port}/health/ready")
        yield started


def migrate(database: str, code: Path | None = None) -> None:
    """Bring a Postgres up to the schema of `code`."""
    command = [sys.executable, "-m", "xiaozhi", "migrate", "--database", database]
    subprocess.run(command, check=True, cwd=code, stdout=subprocess.DEVNULL)


@contextmanager
def checkout(revision: str) -> Generator[Path]:
    """An earlier state of this repository, to be measured beside the present one."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "code"
        add = ["git", "worktree", "add", "--quiet", "--detach", str(place), revision]
        subprocess.run(add, cwd=root, check=True)
        try:
            yield place
        finally:
            remove = ["git", "worktree", "remove", "--force", str(place)]
            subprocess.run(remove, cwd=root, check=True)


def free_port() -> int:
    """Where nobody listens: what is measured is not asked by anybody else."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(url)
