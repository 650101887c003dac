"""The disk is full for a while: it is told clearly, nothing is half-written, and all goes on after.

No start is needed: what could not be written is written when there is room again. The disk is full
in two ways: a file system without room, and a limit on the size of files, which can be had
everywhere.
"""

import asyncio
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import InternalServerError, OpenAI
from sqlalchemy import Connection

from tests.resilience import invariants
from tests.resilience.careful import Careful
from tests.resilience.killable import OneServer
from tests.resilience.load import Load
from tests.resilience.talk import Talk
from tests.running import KEY, until
from xiaozhi.chat_models.scripted import Scripted

CLIENTS = 8
MAY_END = ("completed", "failed")
SIZE = "16m"  # of the file system
# s; full for so long that runs tell their listeners not to wait any more (runs/patience.py)
GOES_WELL, IS_FULL, GOES_ON = 2.0, 10.0, 2.0
ENDS_WITHIN = 10.0  # s from when there is room again until what was under way is over

Full = Callable[[OneServer], AbstractContextManager[None]]


@contextmanager
def small_file_system(folder: Path) -> Iterator[Full]:
    """A file system in memory, mounted at `folder`; yields what fills it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "xiaozhi-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")

    @contextmanager
    def full(_server: OneServer) -> Iterator[None]:
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        yield
        ballast.unlink()

    try:
        yield full
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def limited_files(_folder: Path) -> Iterator[Full]:
    """Yields what keeps the server from writing a byte to any file."""

    @contextmanager
    def full(server: OneServer) -> Iterator[None]:
        _, most = server.process.rlimit(psutil.RLIMIT_FSIZE)
        server.process.rlimit(psutil.RLIMIT_FSIZE, (0, most))
        # It writes nothing by itself: the first write of a client that fails is remembered.
        until(lambda: not server.is_ready())
        yield
        server.process.rlimit(psutil.RLIMIT_FSIZE, (most, most))

    yield full


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", [small_file_system, limited_files])
def test_a_full_disk_passes(
    tmp_path: Path,
    talk: Talk,
    seed: str,
    way: Callable[[Path], AbstractContextManager[Full]],
    record_property: Callable[[str, object], None],
):
    data = tmp_path / "data"
    with way(data) as full, Scripted(otherwise=talk.reply).served() as url:
        server = OneServer(data, "--model-url", url)
        server.start()
        try:
            load = Load(server.addresses, clients=CLIENTS, seed=seed, may_end=MAY_END)
            took = asyncio.run(fill_under(load, server, full, seed))
            record_property("ends_after_s", round(took, 2))
            print(f"{len(load.journal.runs)} runs; {took:.2f} s from room to the last one's end")
            assert took < ENDS_WITHIN
            asyncio.run(all_stands(load, server))
            server.kill()
            server.look(lambda left: nothing_is_half_written(left, load))
        finally:
            server.kill()


async def fill_under(load: Load, server: OneServer, full: Full, seed: str) -> float:
    """Returns after how many s the last run that was under way on a full disk had ended."""
    await load.prepare()
    talking = asyncio.create_task(load.run())
    await asyncio.wait([talking], timeout=GOES_WELL)
    with full(server):
        await asyncio.to_thread(is_told_clearly, server, load, random.Random(seed))
        await asyncio.wait([talking], timeout=IS_FULL)
        under_way = [run for run in load.journal.runs if run.ended_at is None]
        await asyncio.to_thread(is_told_clearly, server, load, random.Random(seed))
    room_at = time.monotonic()
    await asyncio.wait([talking], timeout=GOES_ON)
    load.stopping = True
    await talking
    return max(run.ended_at - room_at for run in under_way if run.ended_at is not None)


def nothing_is_half_written(left: Connection, load: Load) -> None:
    invariants.nothing_is_lost(left, load.journal)
    invariants.nothing_contradicts_itself(left)
    invariants.nothing_waits(left)


def is_told_clearly(server: OneServer, load: Load, choice: random.Random) -> None:
    """What wants to write is refused in the API's shape; what reads is answered."""
    with OpenAI(base_url=server.address, api_key=KEY, max_retries=0) as client:
        refused = refused_write(client)
        assert refused.status_code == 503
        body: Any = refused.body
        assert body["message"].startswith("The database cannot be written: ")
        assert (body["type"], body["param"], body["code"]) == ("server_error", None, None)
        for thread in choice.sample(load.journal.threads, 5):
            client.beta.threads.retrieve(thread.id)
            client.beta.threads.messages.list(thread.id)
            for run in client.beta.threads.runs.list(thread.id):
                client.beta.threads.runs.steps.list(run.id, thread_id=thread.id)


def refused_write(client: OpenAI) -> InternalServerError:
    """The first one: files that are there already may have some room inside."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            client.beta.threads.create(metadata={str(number): "x" * 512 for number in range(16)})
        except InternalServerError as error:
            return error
    raise TimeoutError("it is not full")


async def all_stands(load: Load, server: OneServer) -> None:
    caller = Careful(server.addresses)
    try:
        await invariants.all_stands(caller, load.journal)
    finally:
        await caller.close()
