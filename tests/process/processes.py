"""The server as a process of its own, for what only a process can show: how it starts and dies."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from openai import OpenAI

from tests.lost_exceptions import lost_in
from tests.running import KEY

READY_WITHIN = 60.0  # s
_CLIENTS: list[OpenAI] = []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def close_clients() -> None:
    """Else the garbage collector finds their sockets, and complains in whatever test runs then."""
    while _CLIENTS:
        _CLIENTS.pop().close()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "xiaozhi", *arguments]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    return subprocess.run(
        command("start", *arguments),
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
    )


def _environment(more: dict[str, str]) -> dict[str, str]:
    """The code is found from whichever folder a test is in."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


class Process:
    """A started server. `said`: the lines that it has printed so far. `word`: the command."""

    def __init__(
        self, data: Path, *flags: str, port: int = 0, word: str = "start", **environment: str
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.said: list[str] = []
        arguments = ["--port", str(self.port), "--data", str(data), "--ollama-url", "", *flags]
        self._process = subprocess.Popen(
            command(word, *arguments),
            env=_environment({"XIAOZHI_API_KEY": KEY, **environment}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.pid = self._process.pid

    def client(self) -> OpenAI:
        """Usable for as long as the test's file runs, also with the next server at this port."""
        client = OpenAI(base_url=self.url, api_key=KEY, max_retries=0, timeout=60)
        _CLIENTS.append(client)
        return client

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url[:-3]}/health/ready", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self._process.poll() is None, "".join(self.said)
                time.sleep(0.05)
        raise TimeoutError("".join(self.said))

    def kill(self) -> None:
        """As if the power went: nothing of it gets another turn."""
        self._process.kill()
        self.end()

    def stop(self) -> int:
        """As a service manager does it; the exit status."""
        self.ask_to_stop()
        return self.end()

    def ask_to_stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Wait for it; the exit status."""
        status = self._process.wait(30)
        self._reader.join(10)
        assert not (lost := lost_in("".join(self.said))), lost
        return status

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self.said.extend(lines)


@contextmanager
def started(
    data: Path, *flags: str, port: int = 0, word: str = "start", **environment: str
) -> Generator[Process]:
    """A server that answers; killed at the end, where it still lives."""
    process = Process(data, *flags, port=port, word=word, **environment)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.kill()
