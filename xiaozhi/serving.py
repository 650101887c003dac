"""Runs the server on its socket until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from xiaozhi import __version__
from xiaozhi.server import KEY, create_server
from xiaozhi.settings import Settings
from xiaozhi.terminal import say

# Bytes of a connection that lie unsent in the system's buffer, which would take 4 MB of them. Who
# writes more waits: what a reader does not take is not there twice, and can still be joined.
UNSENT = 64 * 1024
CONNECTIONS_END_WITHIN = 3  # s, when the server is stopped
MODELS_ARE_KNOWN_WITHIN = 3.0  # s that the words at the start wait for an endpoint


def serve(settings: Settings, listening: socket.socket, gguf: Path | None, *, hints: bool) -> None:
    """Returns when the process is told to stop. `hints`: tell a person where everything is.

    Raises CannotStart.
    """
    port: int = listening.getsockname()[1]
    keep_little_unsent(listening)
    app = create_server(settings, port=port, gguf=gguf)
    config = uvicorn.Config(
        app,
        # The app's lifespan is entered here, so that its errors can be said in a sentence.
        lifespan="off",
        ws="websockets-sansio",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=CONNECTIONS_END_WITHIN,
    )

    async def run() -> None:
        async with app.router.lifespan_context(app):
            server = _Server(config)
            if hints:
                server.once_listening = lambda: _tell(app, settings, port)
            await server.serve(sockets=[listening])

    _run(run())


def keep_little_unsent(listening: socket.socket) -> None:
    """For all connections that come in there."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)


class _Server(uvicorn.Server):
    once_listening: Callable[[], Awaitable[None]] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.once_listening:
            await self.once_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Uvicorn's own would end the process on SIGTERM before anything of ours is closed."""
        if sys.platform == "win32":
            with super().capture_signals():
                yield
            return
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


async def _tell(app: Starlette, settings: Settings, port: int) -> None:
    shown = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.host
    address = f"http://{shown}:{port}"
    say("小智·Zero {version} is ready.", version=__version__)
    if settings.ui:
        say("  Page   {address}", address=address)
    say("  API    {address}/v1", address=address)
    if not settings.api_key:
        say("  Key    in {path}", path=settings.data / KEY)
    say("  Data   {folder}", folder=settings.data)
    model = await app.state.rooms.catalog.described(MODELS_ARE_KNOWN_WITHIN)
    say("  Model  {model}", model=model)
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        say("  Anybody who reaches this address can use the page: it has no login.")
    say("Stop with Ctrl+C.")


def _run(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)
