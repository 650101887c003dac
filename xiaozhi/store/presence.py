"""One process among several on the same Postgres: seen to be alive, and reached by the others.

Both by one connection that does nothing else. It holds an advisory lock on the process's name for
as long as the process lives: the kernel and Postgres let go of it, whatever becomes of the process.
And it listens: messages are Postgres' notifications. A message may be lost while the connection is
away, so everything that is told is found by looking at the rows too, a little later.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg

from xiaozhi.errors import CannotStart
from xiaozhi.store.postgres import CANNOT_CONNECT, LOST, connect, words

EVERYBODY = "xiaozhi"  # the channel; each process has one of its own besides
# s; the last one for as long as the process lives. Where Postgres was away, all are back before
# anybody believes that one is dead (dispatch/replicas.py).
AGAIN_AFTER = (0.0, 0.1, 0.2, 0.4)
ANSWERS_WITHIN = 5  # s
LONGEST = 7000  # bytes of text; Postgres takes 8,000 in one notification

# What is heard: its words, and a text
Hear = Callable[[list[str], str], None]

log = logging.getLogger(__name__)


class Presence:
    """`name`: this process's, under which it holds runs."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self._address = address
        self._connection: asyncpg.Connection[Any] | None = None
        self._speaking = asyncio.Lock()
        self._heard: dict[str, Hear] = {}
        self._back: list[Callable[[], None]] = []
        self._soon: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the others can see and reach this process now."""
        return self._connection is not None

    def on(self, kind: str, hear: Hear) -> None:
        """Call `hear` with each message of this kind."""
        self._heard[kind] = hear

    def on_return(self, then: Callable[[], None]) -> None:
        """Call it whenever the connection is there again: messages may have been missed."""
        self._back.append(then)

    async def open(self) -> None:
        """Raises CannotStart."""
        try:
            gone = await self._connected()
        except CANNOT_CONNECT as error:
            raise CannotStart(
                "The Postgres database cannot be used: {words}.",
                "Check that it is running, and the address in --database.",
                words=words(error),
            ) from error
        self._keeper = asyncio.ensure_future(self._kept(gone))

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, *self._soon, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def tell(self, kind: str, *about: str, text: str = "", to: str = EVERYBODY) -> None:
        """Send a message to a process, or to all others. `about`: words without spaces.

        `text`: LONGEST bytes at most. It is lost where the connection is away. Whoever is cancelled
        meanwhile has told it all the same: a statement that is cancelled costs asyncpg another
        connection.
        """
        await asyncio.shield(self._start(self._tell(kind, *about, text=text, to=to)))

    def tell_soon(self, kind: str, *about: str) -> None:
        """As `tell`, to all others; returns at once."""
        self._start(self._tell(kind, *about))

    def _start(self, telling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(telling)
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)
        return task

    async def _tell(self, kind: str, *about: str, text: str = "", to: str = EVERYBODY) -> None:
        channel = to if to == EVERYBODY else _own_channel(to)
        message = f"{' '.join((kind, *about))}\n{text}"
        async with self._speaking:
            if self._connection is None:
                return
            try:
                await self._connection.execute("SELECT pg_notify($1, $2)", channel, message)
            except LOST as error:
                log.warning("%s was not told: %s", kind, words(error))
                self._connection.terminate()

    async def probe(self) -> None:
        """Notice a connection that was cut without a word; another one is made then."""
        async with self._speaking:
            if self._connection is None:
                return
            try:
                await self._connection.execute("SELECT 1", timeout=ANSWERS_WITHIN)
            except LOST as error:
                log.warning("Postgres does not answer: %s", words(error))
                self._connection.terminate()

    async def _connected(self) -> asyncio.Event:
        """Returns what is set when the connection is lost."""
        made = await connect(self._address)
        gone = asyncio.Event()
        try:
            made.add_termination_listener(lambda _: gone.set())
            await made.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", self.name)
            for channel in (EVERYBODY, _own_channel(self.name)):
                await made.add_listener(channel, self._hear)
            self._connection = made
            return gone
        finally:
            if self._connection is not made:
                made.terminate()

    async def _kept(self, gone: asyncio.Event) -> None:
        while True:
            await gone.wait()
            self._connection = None
            log.warning("the connection to Postgres was lost")
            gone = await self._again()
            for then in self._back:
                then()

    async def _again(self) -> asyncio.Event:
        tries = 0
        while True:
            await asyncio.sleep(AGAIN_AFTER[min(tries, len(AGAIN_AFTER) - 1)])
            tries += 1
            try:
                return await self._connected()
            except CANNOT_CONNECT as error:
                log.warning("Postgres cannot be reached: %s", words(error))

    def _hear(self, connection: Any, sender: int, _channel: str, message: object) -> None:
        if sender == connection.get_server_pid():
            return
        head, _, text = str(message).partition("\n")
        kind, *about = head.split(" ")
        if hear := self._heard.get(kind):
            hear(about, text)


def _own_channel(name: str) -> str:
    return f"{EVERYBODY}_{name}"
