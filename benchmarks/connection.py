"""An HTTP connection that costs its process little, so that a load is made by one core's rest.

Speaks what uvicorn answers: JSON with a length, and streams in chunks. One request at a time.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, cast

from benchmarks.processes import KEY

ENDS = b"0\r\n\r\n"  # the last chunk


@dataclass(frozen=True, slots=True)
class Streamed:
    """`first`: s from the request to the first `marker`; `whole`: to the end of the stream.

    `words`: how often the word that was looked for has come.
    """

    first: float
    whole: float
    words: int


class _Answer:
    """A whole answer. `result`: its body."""

    def __init__(self) -> None:
        self._data = b""
        self.result: bytes | None = None

    def take(self, data: bytes) -> bool:
        """True where the answer is whole."""
        self._data += data
        head, separator, body = self._data.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(body.decode())
        self.result = body
        return True


class _Stream:
    """A stream that is looked through and not kept. `result`: when what came."""

    def __init__(self, marker: bytes, word: bytes) -> None:
        self._began = time.perf_counter()
        self._marker = marker
        self._word = word
        self._words = 0
        self._first: float | None = None
        # What may be the beginning of a marker or word that the next read completes
        self._rest = b""
        self.result: Streamed | None = None

    def take(self, data: bytes) -> bool:
        """True where the stream has ended."""
        data = self._rest + data
        if self._first is None and self._marker in data:
            self._first = time.perf_counter() - self._began
        self._words += data.count(self._word)
        end = data.rfind(self._word)
        behind = 0 if end < 0 else end + len(self._word)
        self._rest = data[max(behind, len(data) - 40) :]
        if not data.endswith(ENDS):
            return False
        if self._first is None:
            raise ConnectionError(data.decode(errors="replace"))
        self.result = Streamed(self._first, time.perf_counter() - self._began, self._words)
        return True


class Connection(asyncio.Protocol):
    @classmethod
    async def open(cls, port: int) -> "Connection":
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, "127.0.0.1", port))[1]

    def __init__(self) -> None:
        self._reading: _Answer | _Stream | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    async def answer(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The JSON that is answered. Raises ConnectionError, also where the status is not 200."""
        reading = _Answer()
        await self._ask(method, path, body, reading)
        return json.loads(cast(bytes, reading.result))

    async def stream(self, path: str, body: object, marker: bytes, word: bytes) -> Streamed:
        """Post `body` and read to the end of the stream. Raises ConnectionError."""
        reading = _Stream(marker, word)
        await self._ask("POST", path, body, reading)
        return cast(Streamed, reading.result)

    async def _ask(self, method: str, path: str, body: object, reading: _Answer | _Stream) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
            "OpenAI-Beta: assistants=v2\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self._reading = reading
        self._done = asyncio.get_running_loop().create_future()
        assert self._transport, "a connection is opened"
        self._transport.write(head.encode() + data)
        await self._done

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._reading, "nothing comes without being asked for"
        try:
            if self._reading.take(data) and not self._done.done():
                self._done.set_result(None)
        except ConnectionError as error:
            if not self._done.done():
                self._done.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(f"the connection was closed: {exc}"))
