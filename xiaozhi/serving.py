"""Runs the server on its socket until it is told to stop."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette

from xiaozhi import __version__, logs
from xiaozhi.data_folder import KEY
from xiaozhi.runs import Stop
from xiaozhi.server import create_server
from xiaozhi.settings import Settings
from xiaozhi.terminal import say

# Bytes of a connection that lie unsent in the system's buffer, which would take 4 MB of them. Who
# writes more waits: what a reader does not take is not there twice, and can still be joined.
UNSENT = 64 * 1024
LOOKS_EVERY = 0.05  # s, whether all connections have ended
CONNECTIONS_END_WITHIN = 1  # s, once nothing more is written to them
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
        http=http_protocol(),
        # The app's lifespan is entered here, so that its errors can be said in a sentence.
        lifespan="off",
        ws="websockets-sansio",
        access_log=False,
        log_config=None,
        # The last resort; see `_Server.shutdown`
        timeout_graceful_shutdown=settings.stop_within + 3 * CONNECTIONS_END_WITHIN,
    )

    async def run() -> None:
        logs.on_loop(asyncio.get_running_loop())
        async with app.router.lifespan_context(app):
            # What is there now stays: 200,000 objects, and looking through them for what could be
            # let go would stop every stream for a quarter of a second, again and again.
            gc.freeze()
            gc.enable()
            server = _Server(config, app.state.rooms.stop, settings.stop_within)
            if hints:
                server.once_listening = lambda: _tell(app, settings, port)
                server.once_stopping = lambda: _tell_stop(settings)
            await server.serve(sockets=[listening])

    _run(run())
    # The process ends now. Looking once more through all that it has loaded, for what nobody needs,
    # would take the interpreter half a second.
    gc.freeze()


def http_protocol() -> "type[asyncio.Protocol] | Literal['auto']":
    """For uvicorn."""
    if sys.platform == "win32":
        # h11, which has a bound of 64 KB
        return "auto"
    from xiaozhi.http_protocol import BoundedProtocol

    return BoundedProtocol


def keep_little_unsent(listening: socket.socket) -> None:
    """For all connections that come in there."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)


# The terminal was closed; Windows has no such signal.
_CLOSED = getattr(signal, "SIGHUP", None)


class _Server(uvicorn.Server):
    once_listening: Callable[[], Awaitable[None]] | None = None
    once_stopping: Callable[[], None] | None = None

    def __init__(self, config: uvicorn.Config, stop: Stop, stop_within: float) -> None:
        super().__init__(config)
        self._stop = stop
        self._stop_within = stop_within

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.once_listening:
            await self.once_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == _CLOSED:
            # A closed terminal may say so twice: its shell does, and the system.
            return
        if self.should_exit:
            self.force_exit = True
            self._stop.hurry()
            return
        self.should_exit = True
        self._stop.begin()
        if self.once_stopping and self._stop.under_way:
            self.once_stopping()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let those that are open come to their end, or end them."""
        until = time.monotonic() + self._stop_within + CONNECTIONS_END_WITHIN
        closing = asyncio.ensure_future(super().shutdown(sockets))
        await self._stop.finish(self._stop_within)
        while not closing.done() and time.monotonic() < until:
            # A request that came in the last moment may have begun another one.
            self._stop.end_streams()
            await asyncio.wait([closing], timeout=LOOKS_EVERY)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await closing

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Uvicorn's own would end the process on SIGTERM before anything of ours is closed."""
        if sys.platform == "win32":
            with super().capture_signals():
                yield
            return
        loop = asyncio.get_running_loop()
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            # With nohup it is ignored, and shall be.
            signals.append(signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def _tell_stop(settings: Settings) -> None:
    say(
        "Stopping: what is under way has {seconds} s to end. Ctrl+C once more stops at once.",
        seconds=settings.stop_within,
    )


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
