"""A client as a careful program is one: it goes on over lost connections, and asks before it
sends anything again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import httpx2
from openai import APIConnectionError, AsyncOpenAI, InternalServerError

from tests.running import KEY

Value = TypeVar("Value")
Call = Callable[[AsyncOpenAI], Awaitable[Value]]

# What a server that dies, stops or has no room looks like. An answer that breaks off is httpx2's.
LOST = (APIConnectionError, InternalServerError, httpx2.TransportError)
PATIENCE = 60.0  # s that one thing may take, over all the deaths
PAUSE = 0.1  # s between attempts of our own; the SDK makes its own before


class Careful:
    """`addresses`: where the server can be found; each call goes to the next one.

    `lost`: how often an attempt was lost although the SDK had repeated it.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._clients = [
            AsyncOpenAI(base_url=address, api_key=KEY, max_retries=2, timeout=30)
            for address in addresses
        ]
        self._current = 0
        self.lost = 0

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    async def once(self, call: Call[Value]) -> Value:
        """Raises LOST; the next attempt goes elsewhere."""
        self._current = (self._current + 1) % len(self._clients)
        try:
            return await call(self._clients[self._current])
        except LOST:
            self.lost += 1
            raise

    async def read(self, call: Call[Value]) -> Value:
        """Again and again until it is answered."""

        async def nothing() -> None:
            return None

        return await self.write(call, nothing)

    async def write(self, call: Call[Value], found: Callable[[], Awaitable[Value | None]]) -> Value:
        """`found`: what an attempt has made whose answer was lost, if it was made."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await self.once(call)
            except LOST:
                if time.monotonic() > until:
                    raise
                if (made := await found()) is not None:
                    return made
                await asyncio.sleep(PAUSE)
