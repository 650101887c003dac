"""Segments are tasks of the process that got the request; what a dead one leaves, another takes up.

For several processes on one Postgres. Each holds a lock on its name for as long as it lives
(store/presence.py). Once a second each looks at the rows: for unfinished runs whose owner is gone
or has handed them over, for its own that it does not execute, for those that are to be cancelled,
and for those that wait for their client and should have expired. What can be told is told at once
besides, by notifications; looking finds what was not heard.

Why there is no other engine under it: docs/decisions/0009-replicas.md.
"""

import asyncio
import logging
import random
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from xiaozhi.dispatch.dispatcher import Execute, Expire, Resume
from xiaozhi.dispatch.in_process import InProcess
from xiaozhi.errors import XiaozhiError
from xiaozhi.ids import now
from xiaozhi.store import Segment, Store, Work, left_runs
from xiaozhi.store.presence import Presence

LOOKS_EVERY = 1.0  # s
HANDED_OVER_WITHIN = 2.0  # s, when the process stops: Postgres may be away
# s that something is found so before anybody believes it: between a commit and its task lies a
# moment, and between the loss of a connection and the next one (presence.py)
CERTAIN_AFTER = 0.75

log = logging.getLogger(__name__)


class Replicas:
    def __init__(self, here: InProcess, store: Store, presence: Presence) -> None:
        """`here`: executes what this process holds. `presence`: under whose name it does."""
        self.owner = presence.name
        self._here = here
        self._resume: Resume | None = None
        self._expire: Expire | None = None
        self._store = store
        self._presence = presence
        # Since when each look finds owners dead, and own runs not executed
        self._gone: dict[str, float] = {}
        self._lost: dict[str, float] = {}
        self._at_once = asyncio.Event()
        self._is_leaving = False
        self._chance = random.Random()
        self._looking: asyncio.Task[None] | None = None
        presence.on("cancel", self._hear_cancel)
        presence.on("left", lambda _about, _text: self._at_once.set())
        presence.on_return(self._doubt)

    def open(self, execute: Execute, resume: Resume, expire: Expire) -> None:
        self._here.open(execute, resume, expire)
        self._resume = resume
        self._expire = expire

    @property
    def under_way(self) -> Collection[str]:
        return self._here.under_way

    def room(self, model: str | None = None) -> int:
        return self._here.room(model)

    def retry_after(self) -> int:
        return self._here.retry_after()

    def start(self, segment: Segment) -> None:
        self._here.start(segment)

    def cancel(self, run_id: str) -> bool:
        if self._here.cancel(run_id):
            return True
        self._presence.tell_soon("cancel", run_id)
        return False

    def interrupt(self, run_id: str) -> None:
        self._here.interrupt(run_id)

    def knows(self, run_id: str) -> bool:
        return self._here.knows(run_id)

    def stop_beginning(self) -> None:
        """What waits is handed over at once."""
        self._here.stop_beginning()
        self._is_leaving = True
        self._at_once.set()

    async def recover(self) -> int:
        taken_up = await self._look()
        self._looking = asyncio.ensure_future(self._look_again_and_again())
        return taken_up

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._here.close()
        try:
            async with asyncio.timeout(HANDED_OVER_WITHIN):
                await self._hand_over()
        except (XiaozhiError, TimeoutError) as error:
            log.warning("runs were not handed over, they will be found: %s", error)

    async def _look_again_and_again(self) -> None:
        while True:
            # Not all in the same instant
            pause = LOOKS_EVERY * self._chance.uniform(0.8, 1.2)
            try:
                async with asyncio.timeout(pause):
                    await self._at_once.wait()
            except TimeoutError:
                pass
            self._at_once.clear()
            try:
                await self._presence.probe()
                await (self._hand_over() if self._is_leaving else self._look())
            except XiaozhiError as error:
                log.warning("not looked after runs that were left: %s", error)
            except Exception:  # whatever one look meets, the next one must come
                log.exception("not looked after runs that were left")

    async def _look(self) -> int:
        """One look at the rows, and what follows from it; how many runs were taken up."""
        assert self._expire is not None, "open() comes first"
        me = self.owner
        found = await self._store.read(lambda c: left_runs.look(c, me, now()))
        handed_over = [owner for owner in found.gone if owner is None]
        self._gone = _since(self._gone, (owner for owner in found.gone if owner is not None))
        lost = (run_id for run_id in found.own if not self._here.knows(run_id))
        self._lost = _since(self._lost, lost)
        dead = _certain(self._gone) if self._presence.is_there else []
        again = _certain(self._lost)
        for run_id, status in found.own.items():
            if status == "cancelling":
                self._here.cancel(run_id)
        taken_up = 0
        for owner in [*handed_over, *dead]:
            taken_up += await self._take_up(lambda c, owner=owner: left_runs.claim_of(c, me, owner))
        if again:
            taken_up += await self._take_up(lambda c: left_runs.claim_again(c, me, again))
        for thread_id, run_id in found.overdue:
            await self._expire(thread_id, run_id)
        return taken_up

    async def _hand_over(self) -> None:
        """What is not executed here is let go of, and the others hear of it."""
        kept = list(self._here.under_way)
        if await self._store.write(lambda c: left_runs.hand_over(c, self.owner, kept)):
            await self._presence.tell("left")

    async def _take_up(self, claim: Work[Sequence[Segment]]) -> int:
        assert self._resume is not None, "open() comes first"
        segments = await self._store.write(claim)
        for segment in segments:
            log.info("run %s is taken up", segment.run.id)
            self._resume(segment)
        if len(segments) == left_runs.AT_ONCE:
            self._at_once.set()
        return len(segments)

    def _hear_cancel(self, about: list[str], _: str) -> None:
        self._here.cancel(about[0])

    def _doubt(self) -> None:
        """Postgres was away for us: those who seemed dead may only not have come back yet."""
        self._gone.clear()


def _since(before: Mapping[str, float], found: Iterable[str]) -> dict[str, float]:
    """Since when (time.monotonic()) what is `found` now was found. `before`: by the last look."""
    at = time.monotonic()
    return {one: before.get(one, at) for one in found}


def _certain(since: Mapping[str, float]) -> list[str]:
    at = time.monotonic()
    return [one for one, first in since.items() if at - first >= CERTAIN_AFTER]
