"""A terminal that is closed stops the server as gracefully as a service manager does."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from openai import OpenAI

from tests.process.processes import Process, command, free_port, started
from tests.process.test_dying import say, texts
from tests.process.test_stopping import TWO_SECONDS, WORDS, Listener, flags
from tests.running import KEY
from xiaozhi.chat_models.scripted import Scripted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_under_way_ends(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str], times: int
):
    model.script = [TWO_SECONDS]
    with started(tmp_path, *flags(model_server)) as server:
        client = server.client()
        listener = Listener(client, "hello")
        listener.wait_for_words()
        for _ in range(times):
            os.kill(server.pid, signal.SIGHUP)
            # Two signals at once are one.
            time.sleep(0.2)
        assert listener.end()[-1] == "thread.run.completed"
        assert server.end() == 0
    with started(tmp_path, *flags(model_server), port=server.port):
        assert texts(client, listener.thread.id) == ["hello", "".join(WORDS)]
    assert len(model.requests) == 1


def test_a_closed_terminal_takes_nothing_along(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    """`start` in a terminal of its own, whose window is closed."""
    model.script = [TWO_SECONDS]
    ours, terminal = pty.openpty()
    port = free_port()
    arguments = ["--port", str(port), "--data", str(tmp_path), "--ollama-url", ""]

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command("start", *arguments, *flags(model_server)),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "XIAOZHI_API_KEY": KEY},
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    try:
        os.close(terminal)
        # Read to its end, or the server would wait for a reader.
        while b"Ctrl+C" not in os.read(ours, 65536):
            assert process.poll() is None
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY) as client:
            run = say(client, "hello")
            while not model.requests:
                time.sleep(0.02)
            os.close(ours)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    with started(tmp_path, *flags(model_server)) as server:
        assert texts(server.client(), run.thread_id) == ["hello", "".join(WORDS)]
    assert len(model.requests) == 1


def test_with_nohup_it_stays(tmp_path: Path, model_server: tuple[Scripted, str]):
    # A child inherits what its parent ignores.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = Process(tmp_path, *flags(model_server))
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        process.wait_until_ready()
        os.kill(process.pid, signal.SIGHUP)
        time.sleep(0.5)
        process.wait_until_ready()
        assert process.stop() == 0
    finally:
        process.kill()
