"""The tests' own Postgres: what the tests of the store and of resilience build on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres_server

ROOT = Path(__file__).parents[1]

# A server that was killed reads its log again, on a disk that others write to.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One of its own: it is killed, and other files may go on with the one that they share."""
    with postgres_server() as server:
        yield server


def asked(postgres: PostgresServer, database: str, sql: str) -> str:
    program = postgres.programs / "psql"
    command = [program, "-X", "-q", "-A", "-t", "-c", sql, database]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_what_was_committed_is_there_after_a_kill(postgres: PostgresServer):
    database = postgres.create_database()
    asked(postgres, database, "CREATE TABLE kept (number int); INSERT INTO kept VALUES (7)")
    postgres.kill()
    postgres.start()
    assert asked(postgres, database, "SELECT number FROM kept") == "7"
    postgres.stop()
    postgres.start()
    assert asked(postgres, database, "SHOW fsync") == "on"
    assert asked(postgres, database, "SHOW server_encoding") == "UTF8"


def test_it_ends_with_the_test_process_however_that_one_ends():
    story = (
        "from tests.postgres import postgres_server\nwith postgres_server() as s: input(s.folder)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", story],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        folder = Path(process.stdout.read(len("/tmp/xiaozhi-postgres-12345678")))
        number = int((folder / "cluster/postmaster.pid").read_text().splitlines()[0])
        process.kill()
    wait_until_gone(folder, number)


def wait_until_gone(folder: Path, process: int) -> None:
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        os.kill(process, signal.SIG_DFL)
    except ProcessLookupError:
        return
    # Whoever reaps the orphans may not have come to it yet.
    assert Path(f"/proc/{process}/cmdline").read_bytes() == b""
