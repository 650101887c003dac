"""What is told of a run in another process is heard here too, while somebody listens.

    here                          there: the process that tells the run
    "tell RUN ASK ME"     ───►    to everybody; whoever tells the run answers
    a topic of the same   ◄───    "told RUN ASK THEM PART EDITION": its frames, from the first one
    edition and numbers           on, what came within a moment together; now and then without any
    the topic is closed   ◄───    "over RUN ASK THEM PARTS"

Nothing is sent where nobody asks. Messages are lost with their connection, processes die, and a run
can move to another one: then the topic here breaks off, and its listeners ask again.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from xiaozhi.events import Events
from xiaozhi.ids import new_id
from xiaozhi.store.presence import LONGEST, Presence

ANSWERED_WITHIN = 1.0  # s
GATHERED_FOR = 0.05  # s
SPEAKS_WITHIN = 2.0  # s, though there is nothing to tell
SILENT_FOR = 7.0  # s: then the one who tells is gone
STOPS = "thread.run.requires_action"  # after it, streams of this stretch end


@dataclass(slots=True)
class _Mirror:
    ask: str
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    # Who answered first: several may still know a run that has ended
    teller: str = ""
    parts: int = 0
    silence: asyncio.TimerHandle | None = None
    # The beginning of a frame whose rest is under way
    half: str = ""


class Mirrors:
    def __init__(
        self,
        events: Events,
        presence: Presence,
        is_executed_here: Callable[[str], bool],
        *,
        speaks_within: float = SPEAKS_WITHIN,
        silent_for: float = SILENT_FOR,
    ) -> None:
        """`is_executed_here`: of a run, by its id.

        `speaks_within`: s after which this process says that it still tells a run. `silent_for`: s
        without a word after which another process is taken for gone.
        """
        self._speaks_within = speaks_within
        self._silent_for = silent_for
        self._events = events
        self._presence = presence
        self._is_executed_here = is_executed_here
        self._mirrors: dict[str, _Mirror] = {}
        self._told_to: dict[tuple[str, str], asyncio.Task[None]] = {}
        presence.on("tell", self._asked)
        presence.on("told", self._heard)
        presence.on("over", self._over)
        presence.on("moved", lambda about, _: self._moved(about[0]))
        presence.on_return(self._missed)

    async def close(self) -> None:
        tasks = list(self._told_to.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for run_id in list(self._mirrors):
            self._forget(run_id)

    async def follow(self, run_id: str) -> bool:
        """Whether the run can be listened to here from now on; asks the others for it, if need be.

        False where nobody tells it.
        """
        mirror = self._mirrors.get(run_id)
        if mirror is None:
            if self._events.published(run_id) is not None:
                return True
            mirror = self._mirrors[run_id] = _Mirror(new_id("ask_"))
            await self._presence.tell("tell", run_id, mirror.ask, self._presence.name)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await mirror.answered.wait()
        except TimeoutError:
            if not mirror.answered.is_set() and self._mirrors.get(run_id) is mirror:
                self._forget(run_id)
        return self._events.published(run_id) is not None

    def is_told_here(self, run_id: str) -> bool:
        """Whether this process tells the run, and to whom it may concern elsewhere."""
        return run_id not in self._mirrors and self._events.published(run_id) is not None

    def take(self, run_id: str) -> None:
        """From now on this process tells the run, anew; what others tell of it is not true."""
        if run_id in self._mirrors:
            self._moved(run_id)
        self._presence.tell_soon("moved", run_id)

    def _asked(self, about: list[str], _: str) -> None:
        run_id, ask, peer = about
        if not self.is_told_here(run_id):
            return
        if earlier := self._told_to.pop((run_id, peer), None):
            earlier.cancel()
        task = self._told_to[run_id, peer] = asyncio.ensure_future(self._tell(run_id, ask, peer))
        task.add_done_callback(lambda done: self._has_told(run_id, peer, done))

    def _has_told(self, run_id: str, peer: str, done: asyncio.Task[None]) -> None:
        if self._told_to.get((run_id, peer)) is done:
            del self._told_to[run_id, peer]

    async def _tell(self, run_id: str, ask: str, peer: str) -> None:
        edition, number = self._events.edition(run_id), 0
        about = (run_id, ask, self._presence.name)
        # Though nothing may have happened yet: it has been found
        await self._presence.tell("told", *about, "0", edition, to=peer)
        heard = self._events.listen(run_id, whole=True, idle=self._speaks_within)
        async with aclosing(heard) as batches:
            async for frames in batches:
                numbered = b"".join(b"id: %d\n%s" % one for one in frames)
                for piece in pieces(numbered) if numbered else [""]:
                    number += 1
                    await self._presence.tell(
                        "told", *about, str(number), edition, text=piece, to=peer
                    )
                await asyncio.sleep(GATHERED_FOR)
        await self._presence.tell("over", *about, str(number), to=peer)

    def _heard(self, about: list[str], text: str) -> None:
        run_id, ask, teller, part, edition = about
        mirror = self._mirrors.get(run_id)
        if mirror is None or mirror.ask != ask or mirror.teller not in ("", teller):
            return
        if mirror.silence is not None:
            mirror.silence.cancel()
        loop = asyncio.get_running_loop()
        mirror.silence = loop.call_later(self._silent_for, self._moved, run_id)
        if part == "0":
            mirror.teller = teller
            self._events.open(run_id, edition)
            mirror.answered.set()
            return
        mirror.parts += 1
        if int(part) != mirror.parts:
            return self._moved(run_id)
        *frames, mirror.half = (mirror.half + text).split("\n\n")
        for frame in frames:
            id, event, data = (line.split(": ", 1)[1] for line in frame.split("\n", 2))
            self._events.repeat(run_id, int(id), event, data)
            if event == STOPS:
                self._events.stop(run_id)

    def _over(self, about: list[str], _: str) -> None:
        run_id, ask, teller, parts = about
        mirror = self._mirrors.get(run_id)
        if mirror is None or mirror.ask != ask or mirror.teller != teller:
            return
        if int(parts) != mirror.parts or mirror.half:
            return self._moved(run_id)
        self._forget(run_id)
        self._events.close(run_id)

    def _moved(self, run_id: str) -> None:
        """What is known of the run here is not the truth any more."""
        if self._is_executed_here(run_id):
            # If that is over, its next write finds it out.
            return
        self._forget(run_id)
        self._events.moved_away(run_id)

    def _forget(self, run_id: str) -> None:
        """It is no mirror any more."""
        if mirror := self._mirrors.pop(run_id, None):
            mirror.answered.set()
            if mirror.silence is not None:
                mirror.silence.cancel()

    def _missed(self) -> None:
        """Messages may have been lost, in both directions."""
        for run_id in list(self._mirrors):
            self._moved(run_id)
        for run_id in {run_id for run_id, _ in self._told_to}:
            self._presence.tell_soon("moved", run_id)


def pieces(data: bytes) -> Iterator[str]:
    """`data`, UTF-8, in texts that a message can hold; no character is cut."""
    start = 0
    while start < len(data):
        end = start + LONGEST
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode()
        start = end
