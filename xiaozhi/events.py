"""Tells listeners in this process what just happened, a topic a run.

A topic keeps what it was told, numbered from 0, until a minute after it was closed, so that a late
listener first gets everything so far. Listeners read from the one list: a slow one costs no memory.

A text comes in pieces, each with a number. Those that a listener has not taken yet, because it
reads slowly or comes late, it gets as one.

Many may listen to one run, and come at once. What they are told is made once for all that are at
the same place, and they are woken some at a time: others have their turn in between.
"""

import asyncio
import json
import secrets
from bisect import bisect_right
from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass, field

from xiaozhi.turns import Turns

KEPT_AFTER_CLOSE = 60.0  # s


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A text that is told in pieces: what stands around them in the data of their event.

    `end_of_first`: the first piece says more than the others.
    """

    event: str
    start: str
    end: str
    end_of_first: str

    def data(self, piece: str, *, is_first: bool = False) -> str:
        """`piece`: as it stands in JSON, without its quotes."""
        return self.start + piece + (self.end_of_first if is_first else self.end)


class Frames(list[tuple[int, bytes]]):
    """Frames with their numbers. Several listeners may get the same ones: not to be changed.

    `written`: what was made of them to be sent, by how it is written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[object, bytes] = {}


class _Alarm:
    """Ends a listener's wait when it is too long. One timer for many waits: most are short."""

    def __init__(self, after: float) -> None:
        """`after`: s."""
        self._loop = asyncio.get_running_loop()
        self._after = after
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._since = 0.0

    def waiter(self) -> "asyncio.Future[None]":
        """Of the wait that begins; it has a result when it is too long."""
        self._since = self._loop.time()
        self._waiter = self._loop.create_future()
        if self._timer is None:
            self._timer = self._loop.call_later(self._after, self._ring)
        return self._waiter

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        left = self._since + self._after - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._ring)
        else:
            self._waiter.set_result(None)


@dataclass(slots=True)
class _Topic:
    # Whole frames, and pieces of texts as they stand in JSON: 70 bytes each, not 300
    told: list[bytes | str] = field(default_factory=list[bytes | str])
    # (number of its first piece, text) in order
    texts: list[tuple[int, Text]] = field(default_factory=list[tuple[int, Text]])
    # How much there was each time the run stopped for its client (an end, or
    # requires_action)
    stops: list[int] = field(default_factory=list[int])
    waiting: set[asyncio.Future[None]] = field(default_factory=set[asyncio.Future[None]])
    turns: Turns = field(default_factory=Turns)
    # What was last made for a listener: of which numbers
    last_frames: tuple[int, int, Frames] = field(default_factory=lambda: (0, 0, Frames()))
    # The beginnings of texts as whoever comes late gets them: by its first number, up to which
    joined: dict[int, tuple[int, str]] = field(default_factory=dict[int, tuple[int, str]])
    closed: bool = False
    # Tells this topic from one of the same name in an earlier process
    edition: str = field(default_factory=lambda: secrets.token_hex(4))

    def frames(self, start: int, end: int) -> Frames:
        """What has the numbers from `start` on, before `end`: (number of the last, frame)."""
        if self.last_frames[:2] == (start, end):
            return self.last_frames[2]
        found = Frames()
        number = start
        while number < end:
            if isinstance(whole := self.told[number], bytes):
                if whole:
                    found.append((number, whole))
                number += 1
            else:
                text, begun, joined, until = self._joined(number, end)
                data = text.data(joined, is_first=number == begun)
                number = until
                found.append((number - 1, frame(text.event, data)))
        self.last_frames = start, end, found
        return found

    def _joined(self, start: int, end: int) -> tuple[Text, int, str, int]:
        """The text of piece `start`: where it begins, what follows without a break, and its end."""
        following = bisect_right(self.texts, start, key=lambda begun: begun[0])
        begun, text = self.texts[following - 1]
        if following < len(self.texts):
            end = min(end, self.texts[following][0])
        # The one before who came late has had the beginning joined.
        number, joined = self.joined.get(start, (start, ""))
        if number > end:
            number, joined = start, ""
        pieces = [joined]
        while number < end and isinstance(piece := self.told[number], str):
            pieces.append(piece)
            number += 1
        joined = "".join(pieces)
        if start == begun:
            self.joined[start] = number, joined
        return text, begun, joined, number

    def wake(self) -> None:
        self.turns.wake(self.waiting)
        self.waiting.clear()

    async def next_frame(self, alarm: _Alarm) -> None:
        """Wait for the next one, or until `alarm` rings."""
        waiter = alarm.waiter()
        self.waiting.add(waiter)
        try:
            await waiter
        finally:
            self.waiting.discard(waiter)


def frame(event: str, data: str) -> bytes:
    """One server-sent event. `data`: JSON on one line."""
    # Some clients split lines as Unicode does, not as server-sent events do.
    for separator, escaped in (("\u2028", "\\u2028"), ("\u2029", "\\u2029"), ("\x85", "\\u0085")):
        if separator in data:
            data = data.replace(separator, escaped)
    # Half a character, as some models send it, must not end a stream.
    return f"event: {event}\ndata: {data}\n\n".encode(errors="replace")


def error(message: str) -> str:
    """The data of the event `error`: nothing more comes, and no end of the run (contract 9.1)."""
    told = {"message": message, "type": "server_error", "param": None, "code": None}
    return json.dumps({"error": told}, ensure_ascii=False)


DONE = frame("done", "[DONE]")
MOVED = "The run went on elsewhere, or its end could not be saved. Please read it again."


class Events:
    """Publish and subscribe. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}

    def open(self, topic: str, edition: str | None = None) -> None:
        """From now on `topic` is there, and empty. A topic that is there already goes on.

        `edition`: of the telling that is repeated here, from its first frame on.
        """
        self._topics.setdefault(topic, _Topic(edition=edition) if edition else _Topic())

    def published(self, topic: str) -> int | None:
        """How much was told of `topic`, or None where nothing is known of it (any more)."""
        found = self._topics.get(topic)
        return None if found is None else len(found.told)

    def stretch(self, topic: str) -> int:
        """The number where the stretch begins that was told last; 0 if unknown."""
        found = self._topics.get(topic)
        stops = [at for at in found.stops if at < len(found.told)] if found else []
        return stops[-1] if stops else 0

    def edition(self, topic: str) -> str:
        """Which telling of `topic` this is: numbers mean something within it alone."""
        return self._topics[topic].edition

    def publish(self, topic: str, event: str, data: str) -> None:
        """Tell every listener. `data`: JSON on one line."""
        found = self._topics[topic]
        found.told.append(frame(event, data))
        found.wake()

    def repeat(self, topic: str, number: int, event: str, data: str) -> None:
        """Tell what has been told elsewhere under this number; what lies before came within it."""
        found = self._topics[topic]
        found.told.extend([b""] * (number - len(found.told)))
        self.publish(topic, event, data)

    def publish_piece(self, topic: str, text: Text, piece: str) -> None:
        """Tell every listener how `text` goes on. `piece`: as it stands in JSON, without quotes.

        A text has ended where another one begins.
        """
        found = self._topics[topic]
        if not found.texts or found.texts[-1][1] is not text:
            found.texts.append((len(found.told), text))
        found.told.append(piece)
        found.wake()

    def stop(self, topic: str) -> None:
        """The run stops here for its client: streams that follow this stretch end."""
        found = self._topics[topic]
        found.stops.append(len(found.told))
        found.wake()

    def close(self, topic: str) -> None:
        """Nothing more will come; the frames stay for a while for those who come late."""
        found = self._topics.get(topic)
        if found is None or found.closed:
            return
        self.stop(topic)
        found.closed = True
        loop = asyncio.get_running_loop()
        loop.call_later(KEPT_AFTER_CLOSE, self._forget, topic, found)

    def moved_away(self, topic: str) -> None:
        """Nothing more can be told here: listeners hear that they should read again."""
        found = self._topics.get(topic)
        if found is not None and not found.closed:
            # Not by `publish`: where that fails, this is how listeners hear of it.
            found.told.append(frame("error", error(MOVED)))
            self.close(topic)
        self.forget(topic)

    def break_off(self, message: str, *, keep: Container[str] = ()) -> None:
        """All topics but those to `keep` end here, with an error: nothing more will come."""
        for topic, found in self._topics.items():
            if not found.closed and topic not in keep:
                self.publish(topic, "error", error(message))
                self.close(topic)

    def forget(self, topic: str) -> None:
        """Let go of what was told."""
        self._topics.pop(topic, None)

    def _forget(self, topic: str, told: _Topic) -> None:
        """As `forget`, but not of another telling under the same name."""
        if self._topics.get(topic) is told:
            self.forget(topic)

    async def listen(
        self, topic: str, *, start: int = 0, whole: bool = False, idle: float = 15.0
    ) -> AsyncGenerator[Frames]:
        """Yields frames with their numbers, as many as there are at a time.

        Pieces of a text that have not been taken yet are one frame, under the number of the last.
        From number `start` on; ends where the run next stops for its client, or, if `whole`, where
        it is closed. Without the topic: ends at once. After `idle` s without a frame it yields
        none.
        """
        found = self._topics.get(topic)
        if found is None:
            return
        first, alarm = start, _Alarm(idle)
        try:
            while True:
                stop = None if whole else next((at for at in found.stops if at > first), None)
                end = len(found.told) if stop is None else stop
                if end > start:
                    yield found.frames(start, end)
                    start = end
                elif stop is not None or found.closed:
                    return
                else:
                    await found.next_frame(alarm)
                    if len(found.told) == start and not found.closed:
                        yield Frames()
        finally:
            alarm.stop()
