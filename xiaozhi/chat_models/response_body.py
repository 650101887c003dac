"""Read what an endpoint sends, within bounds: nothing is unpacked or kept beyond them."""

import asyncio
import zlib
from collections.abc import AsyncGenerator

import aiohttp

from xiaozhi.chat_models import chat_model
from xiaozhi.errors import ModelFailed

# Of an answer in one piece, and of one event of a stream. The longest answers of today's models
# have some 128,000 tokens, half a megabyte of text.
AT_ONCE = 8 * 2**20  # bytes
ERROR = 64 * 2**10  # bytes of an error's body that are read; its sentence stands at the beginning
UNPACKED = 64 * 2**10  # bytes that are unpacked in one go, before others have their turn

# For requests: a stream gains nothing from being packed, and packets wait for each other then.
PLAIN = {"Accept-Encoding": "identity"}


def too_long(what: str, limit: int) -> ModelFailed:
    """`what`: as in "its answer". `limit`: bytes."""
    return ModelFailed(chat_model.FAILED, f"{what} has more than {limit:,} bytes")


async def chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """The body as it comes, unpacked. The request must have `auto_decompress=False`.

    Raises ModelFailed where it cannot be unpacked.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        async for data in response.content.iter_any():
            yield data
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        words = f"it sent an answer in an encoding that was not asked for: {encoding[:50]}"
        raise ModelFailed(chat_model.FAILED, words)
    unpacker = _Unpacker()
    async for packed in response.content.iter_any():
        left = packed
        while left or unpacker.is_full:
            try:
                data, left = unpacker.unpacked(left)
            except zlib.error as error:
                words = "what it sent cannot be unpacked"
                raise ModelFailed(chat_model.FAILED, words) from error
            if data:
                yield data
            # A few kilobytes may hold hundreds of megabytes.
            await asyncio.sleep(0)


async def whole(response: aiohttp.ClientResponse, limit: int, what: str) -> bytes:
    """All of it. Raises ModelFailed where it has more than `limit` bytes."""
    found: list[bytes] = []
    size = 0
    async for data in chunks(response):
        size += len(data)
        if size > limit:
            raise too_long(what, limit)
        found.append(data)
    return b"".join(found)


async def beginning(response: aiohttp.ClientResponse) -> str:
    """Of an error's body, as text, whatever its bytes are; the rest is not read."""
    found: list[bytes] = []
    size = 0
    try:
        async for data in chunks(response):
            found.append(data)
            size += len(data)
            if size >= ERROR:
                break
    except (aiohttp.ClientError, TimeoutError, OSError, ModelFailed):
        # Its status says enough.
        pass
    return b"".join(found)[:ERROR].decode("utf-8-sig", "replace")


class _Unpacker:
    """Of gzip, zlib, or the bare deflate that some servers send in its place."""

    def __init__(self) -> None:
        # 47: gzip or zlib, whichever it is
        self._zlib = zlib.decompressobj(47)
        self._is_begun = False
        self.is_full = False

    def unpacked(self, packed: bytes) -> tuple[bytes, bytes]:
        """(some of what is in it, what is left to unpack). Raises zlib.error."""
        if self._zlib.eof:
            # Another one behind the first, as gzip allows
            self._zlib = zlib.decompressobj(47)
        try:
            data = self._zlib.decompress(packed, UNPACKED)
        except zlib.error:
            if self._is_begun:
                raise
            self._zlib = zlib.decompressobj(-15)
            data = self._zlib.decompress(packed, UNPACKED)
        self._is_begun = True
        self.is_full = len(data) == UNPACKED and not self._zlib.eof
        return data, self._zlib.unconsumed_tail or self._zlib.unused_data
