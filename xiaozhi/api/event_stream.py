"""Answers that are sent as they come, and the events of a run among them (contract 9.1)."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from xiaozhi import metrics
from xiaozhi.api.parts import body, parts
from xiaozhi.events import DONE, Events, Frames, frame
from xiaozhi.runs import REASONING

KEEP_ALIVE = 15.0  # s of silence until a comment line keeps the connection from being cut
# Without an empty line behind it, which would end an event: the SDKs tell one without data wherever
# an id has come before, and fail at it.
PING = b": ping\n"
OF_REASONING = b"event: " + REASONING.encode()
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class WhileRead(Response, ABC):
    """An answer that is sent as it comes, for as long as its reader is there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self.send(send))
        leaving = asyncio.ensure_future(_left(receive))
        with metrics.open_stream():
            try:
                await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                sending.cancel()
                await asyncio.gather(leaving, sending, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    @abstractmethod
    async def send(self, send: Send) -> None:
        """Send the whole answer. Cancelled when the reader leaves."""


class EventStream(WhileRead):
    """The events of a run as they come (contract 9.1). The reader may leave: the run goes on."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: Events,
        topic: str,
        *,
        start: int = 0,
        whole: bool = False,
        reasoning: bool = False,
    ) -> None:
        """`start`, `whole`: as `Events.listen` has them. `reasoning`: whether that is told too."""
        super().__init__()
        self._reasoning = reasoning
        self._frames = events.listen(topic, start=start, whole=whole, idle=KEEP_ALIVE)
        del self.headers["content-length"]
        self.headers.update(HEADERS)

    async def send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        sent = time.monotonic()
        async with aclosing(self._frames) as batches:
            async for frames in batches:
                data = self._encoded(frames)
                # A model may think for minutes, of which most readers hear nothing.
                if not data and frames and time.monotonic() - sent < KEEP_ALIVE:
                    continue
                for part in parts(data or PING):
                    await send(body(part))
                sent = time.monotonic()
        await send(body(DONE, last=True))

    def _encoded(self, frames: Frames) -> bytes:
        """Made once for all that get the same."""
        how = type(self), self._reasoning
        if how not in frames.written:
            wanted = [one for one in frames if self._is_wanted(one[1])]
            frames.written[how] = self.encode(wanted)
        return frames.written[how]

    def _is_wanted(self, data: bytes) -> bool:
        return self._reasoning or not data.startswith(OF_REASONING)

    def encode(self, frames: Sequence[tuple[int, bytes]]) -> bytes:
        """`frames`: with their numbers."""
        return b"".join([data for _, data in frames])


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class NumberedEventStream(EventStream):
    """The same with an id for each event, so that a reader can come back where it left off."""

    def __init__(self, events: Events, topic: str, last_event_id: str, *, reasoning: bool) -> None:
        """`last_event_id`: of the last event that the reader has, in this telling."""
        self._edition = events.edition(topic)
        edition, _, number = last_event_id.partition(".")
        known = edition == self._edition and number.isdigit()
        start = int(number) + 1 if known else 0
        super().__init__(events, topic, start=start, whole=True, reasoning=reasoning)

    def encode(self, frames: Sequence[tuple[int, bytes]]) -> bytes:
        edition = self._edition.encode()
        return b"".join([b"id: %s.%d\n%s" % (edition, number, data) for number, data in frames])


def told(events: Sequence[tuple[str, str]], *, reasoning: bool = False) -> Response:
    """Events that are over. `events`: (name, JSON). `reasoning`: whether that is told too."""
    return _Told([event for event in events if reasoning or not event[0].startswith(REASONING)])


class _Told(WhileRead):
    """Events that are over, one after the other: they may be long."""

    media_type = "text/event-stream"

    def __init__(self, events: Sequence[tuple[str, str]]) -> None:
        """`events`: (name, JSON)."""
        super().__init__()
        self._events = events
        del self.headers["content-length"]
        self.headers.update(HEADERS)

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for name, data in self._events:
            for part in parts(frame(name, data)):
                await send(body(part))
        await send(body(DONE, last=True))
