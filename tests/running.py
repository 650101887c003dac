"""The real server on a real socket, in a thread of the test's process."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import uvicorn
import uvloop
from blockbuster import BlockBuster
from openai import OpenAI

from xiaozhi.api import Rooms
from xiaozhi.server import PARTS, Parts, create_server
from xiaozhi.serving import http_protocol, keep_little_unsent
from xiaozhi.settings import Settings

KEY = "test-key"
# A call of ours that blocks an event loop fails the test; tests may block loops of their own.
NO_BLOCKING = BlockBuster("xiaozhi")
for call in NO_BLOCKING.functions.values():
    # With each new connection asyncpg looks for files of passwords and keys.
    call.can_block_in("asyncpg/connect_utils.py", "_parse_connect_dsn_and_args")
    # Whoever migrates serves nobody yet.
    call.can_block_in("xiaozhi/store/schema.py", "bring_up_to_date")
    call.can_block_in("xiaozhi/store/schema.py", "upgrade")
    # So does whoever starts.
    call.can_block_in("xiaozhi/data_folder.py", "prepare")
Value = TypeVar("Value")


class Running:
    """`url`: ends in /v1. `settings`: as it was started with."""

    # Of this process: the servers with a page that are running, and whether one without has started
    _pages: ClassVar[set["Running"]] = set()
    _has_api: ClassVar[bool] = False

    def __init__(self, settings: Settings, gguf: Path | None, parts: Parts = PARTS) -> None:
        self.settings = settings
        self._parts = parts
        if settings.ui:
            self._pages.add(self)
            NO_BLOCKING.deactivate()
        self._gguf = gguf
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.1", settings.port))
        keep_little_unsent(self._listening)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._started: Future[tuple[asyncio.AbstractEventLoop, Rooms]] = Future()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._loop, self.rooms = self._started.result(30)

    def client(self, **options: Any) -> OpenAI:
        # The SDK's own 5 s for a connection are short on a busy machine.
        chosen: dict[str, Any] = {"max_retries": 0, "timeout": 60, **options}
        return OpenAI(base_url=self.url, api_key=KEY, **chosen)

    def on_the_loop(self, doing: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Run something on the server's own event loop, as its parts do."""
        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(30)

    def stop(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.settings.ui:
            self._pages.discard(self)
            self._watch_blocking()

    def _watch_blocking(self) -> None:
        """Not beside a page: Streamlit blocks its loop at times, which is not ours to mend."""
        if self._has_api and not self._pages:
            NO_BLOCKING.activate()

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        app = create_server(self.settings, port=self.port, gguf=self._gguf, parts=self._parts)
        config = uvicorn.Config(
            app,
            http=http_protocol(),
            lifespan="off",
            ws="websockets-sansio",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        async with app.router.lifespan_context(app):
            self._server = _Server(config)
            self._server.once_listening = lambda: self._started.set_result(
                (asyncio.get_running_loop(), app.state.rooms)
            )
            if not self.settings.ui:
                Running._has_api = True
                self._watch_blocking()
            await self._server.serve(sockets=[self._listening])


class _Server(uvicorn.Server):
    once_listening: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.once_listening()


@contextmanager
def running(
    data: Path, *, gguf: Path | None = None, parts: Parts = PARTS, **settings: Any
) -> Generator[Running]:
    """`settings`: besides, no page, no Ollama, and a key that everybody knows."""
    chosen: dict[str, Any] = {
        "port": 0,
        "data": data,
        "api_key": KEY,
        "ui": False,
        "ollama_url": "",
        **settings,
    }
    server = Running(Settings(**chosen), gguf, parts)
    try:
        yield server
    finally:
        server.stop()


def until(true: Callable[[], object], within: float = 30.0) -> None:
    """`within`: s until that is a failure."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
