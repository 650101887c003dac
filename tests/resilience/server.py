"""One server process that a test starts, kills, stops, freezes, and starts again at its address.

It is forked from a process that has imported everything already: a start takes 0.2 s instead of
2.5, so that it can be killed a hundred times in the time that a person waits for a test.
"""

import multiprocessing
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import psutil

from tests.lost_exceptions import lost_in
from tests.process.processes import READY_WITHIN, free_port
from tests.running import KEY

_ROOT = Path(__file__).parents[2]
ENDS_WITHIN = 30.0  # s, once it was asked to


class Server:
    """`address`: ends in /v1, and stays the same from start to start."""

    def __init__(self, data: Path, *flags: str, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/v1"
        self._flags = ["--no-ui", "--port", str(self.port), "--data", str(data), *flags]
        self._environment = {"XIAOZHI_API_KEY": KEY, "XIAOZHI_OLLAMA_URL": "", **environment}
        self._log = data.with_name(f"{data.name}.log")
        self._forks = _forks()
        self._process: ForkServerProcess | None = None

    @property
    def said(self) -> str:
        """What it has written to its log, in all its lives."""
        return self._log.read_text()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._started().pid)

    def begin(self) -> None:
        """Start, and do not wait until it is ready."""
        arguments = (self._flags, self._environment, self._log)
        self._process = self._forks.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not self.is_ready():
            assert self.is_alive, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address[:-3]}/health/ready", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def kill(self) -> None:
        """As if the power went: nothing of it gets another turn."""
        self._started().kill()
        self._started().join()
        assert not (lost := lost_in(self.said)), lost

    def stop(self) -> None:
        """As a service manager does it; returns when it has ended."""
        self._started().terminate()
        self._started().join(ENDS_WITHIN)
        assert not self.is_alive, self.said
        assert not (lost := lost_in(self.said)), lost

    def freeze(self) -> None:
        """It gets no turn until `thaw`; its connections stay."""
        self.process.suspend()

    def thaw(self) -> None:
        self.process.resume()

    def _started(self) -> ForkServerProcess:
        assert self._process is not None
        return self._process


def _forks() -> ForkServerContext:
    """The process that has imported everything, and waits."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, paths)])
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(
        ["__main__", "xiaozhi.serving", "xiaozhi.dispatch.replicas", "tests.resilience.server"]
    )
    return forks


def _serve(arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
    """In the forked process: as the command line does it."""
    from xiaozhi.__main__ import main

    said = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.environ.update(environment)
    sys.exit(main(["serve", *arguments]))
