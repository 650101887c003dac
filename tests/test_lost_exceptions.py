"""An exception that nobody saw fails the test that runs when it is noticed."""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

from tests.lost_exceptions import Lost, lost_in
from tests.running import running, until

PROGRAM = """
import asyncio
from xiaozhi import logs

async def broken():
    raise ValueError

async def main():
    logs.on_loop(asyncio.get_running_loop())
    asyncio.ensure_future(broken())
    await asyncio.sleep(0)

logs.begin("json", "warning")
asyncio.run(main())
"""


def test_a_task_of_a_server_in_this_process_is_noticed(lost: Lost, tmp_path: Path):
    async def broken() -> None:
        raise ValueError("nobody sees it")

    async def leave_it_alone() -> None:
        tasks.append(asyncio.ensure_future(broken()))

    tasks: list[asyncio.Future[None]] = []
    with running(tmp_path, model_url="http://127.0.0.1:9/v1") as server:
        server.on_the_loop(leave_it_alone)
        until(lambda: tasks[0].done())
        tasks.clear()
        gc.collect()
    [told] = lost.taken()
    assert "Task exception was never retrieved" in told
    assert "nobody sees it" in told


def test_a_task_of_a_server_process_is_noticed():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert "ValueError" in lost_in(ended.stdout + ended.stderr)


def test_other_output_is_none():
    assert lost_in("Stopping: what is under way has 10 s to end.") == ""
