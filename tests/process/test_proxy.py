"""A proxy that the environment names gets nothing of what the page and its server say."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.process.processes import started
from tests.process.tab import tab
from tests.running import KEY
from xiaozhi.chat_models.scripted import Scripted

NAMES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]


@contextmanager
def proxy() -> Generator[tuple[str, list[bytes]]]:
    """Its address, and what was sent to it. It answers nothing of use."""
    received: list[bytes] = []

    def listen(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                received.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, args=[listening], daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", received
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("names", [NAMES, [name.lower() for name in NAMES]], ids=["upper", "lower"])
def test_the_page_does_not_ask_a_proxy(
    tmp_path: Path, model_server: tuple[Scripted, str], names: list[str]
):
    with proxy() as (address, received):
        variables: Any = {**dict.fromkeys(names, address), "NO_PROXY": "", "no_proxy": ""}
        with (
            started(tmp_path, "--model-url", model_server[1], word="serve", **variables) as server,
            tab(server.port) as seen,
        ):
            seen.search("secret")
            assert "cannot be read at the moment" not in seen.shown
            server.stop()
    assert received == []
    assert KEY not in "".join(server.said)
