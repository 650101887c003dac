"""A Postgres of the tests' own: its cluster is made, started, stopped, killed and ended.

It listens on 127.0.0.1 alone, trusts everybody there, and keeps what it writes as it would in
earnest (fsync is on). It ends with the test's process, however that one ends.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from psutil import STATUS_ZOMBIE

from tests.process.processes import command, free_port

READY_WITHIN = 60.0  # s; what was killed reads its log again first
USER = "postgres"
# When the test's process closes the pipe, or dies: end the server and leave nothing behind.
GUARD = """
read -r _
lock=$1/cluster/postmaster.pid
if kill -QUIT "$(head -n 1 "$lock" 2>/dev/null)" 2>/dev/null; then
    for _ in $(seq 100); do [ ! -e "$lock" ] || sleep 0.1; done
fi
rm -rf "$1"
"""


class PostgresServer:
    """`port`: the same one after each start. `programs`: the folder with psql and the others."""

    def __init__(self, folder: Path) -> None:
        """`folder`: empty; whoever runs Postgres can reach it and owns it."""
        self.folder = folder
        self.programs = _programs()
        self._numbers = count(1)
        self._process: subprocess.Popen[Any] | None = None
        self.port = free_port()
        cluster = ["-D", str(folder / "cluster")]
        self._run("initdb", *cluster, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        self._start = [
            str(self.programs / "postgres"),
            *cluster,
            *("-h", "127.0.0.1", "-p", str(self.port), "-k", str(folder)),
            *("-c", "max_connections=200"),
        ]

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Of the process that all others of it descend from."""
        return self._started().pid

    def create_database(self) -> str:
        """The URL of a new one, with nothing in it."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        return self.url(name)

    def start(self) -> None:
        """Returns when it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._start,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the tests: they end it when they are done with it.
                start_new_session=True,
                **_as_its_user(),
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if self._started().poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        """As a service manager does it: who is connected is sent away, everything is written."""
        self._started().send_signal(signal.SIGINT)
        self.wait()

    def kill(self) -> None:
        """As if the power went: no process of it gets another turn."""
        postmaster = psutil.Process(self.pid)
        # So that it starts no other while its children are counted
        postmaster.suspend()
        children = postmaster.children(recursive=True)
        for one in [postmaster, *children]:
            one.kill()
        self.wait()
        while any(_lives(child) for child in children):
            time.sleep(0.01)

    def wait(self) -> None:
        """Until it has ended, by whomever."""
        self._started().wait(60)

    def _started(self) -> subprocess.Popen[Any]:
        assert self._process is not None
        return self._process

    def _is_ready(self) -> bool:
        command = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_its_user(),
        )


@contextmanager
def postgres_server() -> Generator[PostgresServer]:
    """One that takes connections; ended whatever happens."""
    # Not the usual folder for temporary ones: its name may be too long for that of a socket.
    folder = Path(tempfile.mkdtemp(prefix="xiaozhi-postgres-", dir="/tmp"))
    if os.getuid() == 0:
        shutil.chown(folder, USER, USER)
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    server: PostgresServer | None = None
    try:
        server = PostgresServer(folder)
        server.start()
        yield server
    finally:
        guard.communicate(timeout=60)
        if server is not None:
            server.wait()


def migrated(url: str) -> str:
    """The same database, with the schema of today."""
    subprocess.run([*command("migrate"), "--database", url], check=True, stdout=subprocess.DEVNULL)
    return url


def _programs() -> Path:
    """The folder with initdb and the others: on the PATH, or where Debian puts its newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        raise RuntimeError("Postgres is missing: sudo apt-get install postgresql")
    return newest.parent


def _as_its_user() -> dict[str, Any]:
    """Postgres refuses to be run by root. Settings of whoever runs the tests do not reach it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    options: dict[str, Any] = {"env": {**kept, "LC_ALL": "C"}, "cwd": "/"}
    if os.getuid() == 0:
        user = pwd.getpwnam(USER)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def _lives(process: psutil.Process) -> bool:
    """Who was left behind by its parent may stay as a zombie where nobody reaps it."""
    try:
        return process.status() != STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
