"""What is killed: a small interface, so that one story is told of everything that may die."""

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Protocol

import psutil
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from tests.process.processes import READY_WITHIN, free_port
from tests.running import KEY

_ROOT = Path(__file__).parents[2]


class Killable(Protocol):
    @property
    def addresses(self) -> Sequence[str]:
        """Where clients find it: each ends in /v1. They stay the same from start to start."""
        ...

    def start(self) -> None:
        """Returns when it answers."""
        ...

    def kill(self) -> None:
        """As if the power went, for it or for one of it. Returns when that is dead."""
        ...

    def left(self) -> AbstractContextManager[Connection]:
        """The database as it is now: one consistent view, nothing done to it."""
        ...


class OneServer:
    """One process on SQLite. `said`: what it has written to its log.

    It is forked from a process that has imported everything already: a start takes 0.2 s instead of
    2.5, so that it can be killed a hundred times in the time that a person waits for a test.
    """

    def __init__(self, data: Path, *flags: str, **environment: str) -> None:
        self._data = data
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}/v1"
        self._flags = ["--no-ui", "--port", str(self._port), "--data", str(data), *flags]
        self._environment = {"XIAOZHI_API_KEY": KEY, "XIAOZHI_OLLAMA_URL": "", **environment}
        self._log = data.with_name(f"{data.name}.log")
        self._forks = _forks()
        self._process: ForkServerProcess | None = None

    @property
    def addresses(self) -> Sequence[str]:
        return [self.address]

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self) -> None:
        arguments = (self._flags, self._environment, self._log)
        process = self._process = self._forks.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        deadline = time.monotonic() + READY_WITHIN
        while not self.is_ready():
            assert process.is_alive(), self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address[:-3]}/health/ready", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.join()

    @contextmanager
    def left(self) -> Generator[Connection]:
        """Of the dead, a copy: who opens its files does the next start's work for it."""
        if self._process is not None and self._process.is_alive():
            with _opened(self._data) as connection:
                yield connection
            return
        with tempfile.TemporaryDirectory() as folder:
            for file in self._data.glob("xiaozhi.db*"):
                shutil.copy(file, folder)
            with _opened(Path(folder)) as connection:
                yield connection


@contextmanager
def _opened(folder: Path) -> Generator[Connection]:
    made = create_engine(f"sqlite:///{folder}/xiaozhi.db", poolclass=NullPool)
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        yield connection


def _forks() -> ForkServerContext:
    """The process that has imported everything, and waits."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, paths)])
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["__main__", "xiaozhi.serving", "tests.resilience.killable"])
    return forks


def _serve(arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
    """In the forked process: as the command line does it."""
    from xiaozhi.__main__ import main

    said = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.environ.update(environment)
    sys.exit(main(["serve", *arguments]))
