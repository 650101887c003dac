"""Looks for unfinished runs that nobody moves any more, and ends them or sets them going again.

The last resort, for what should not happen: a run's own task, its timer and its dispatcher come
first, so each finding must stand for a while before it is believed, and is logged as an error. A
clock that jumps makes no run late that is executed here.

    past its expiry              ends as expired
    cancelling                   ends as cancelled
    held by this process, but    goes on, the first time; then it ends as failed
    neither executed nor queued
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from xiaozhi.dispatch import Dispatcher
from xiaozhi.errors import NotFound, XiaozhiError
from xiaozhi.ids import now
from xiaozhi.runs.forced_end import ForcedEnd
from xiaozhi.runs.outcome import Outcome, failed
from xiaozhi.store import Segment, Store, left_runs
from xiaozhi.store.left_runs import Unattended

LOOKS_EVERY = 2.0  # s
BELIEVED_AFTER = 5.0  # s that a run is found so
# s, where another process holds it: that one looks as well, and has the run's listeners
BELIEVED_OF_OTHERS_AFTER = 20.0
LOST = "The server had an error processing your request: the run was lost. Sorry about that!"

log = logging.getLogger(__name__)


class Watchdog:
    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        forced_end: ForcedEnd,
        resume: Callable[[Segment], None],
    ) -> None:
        """`resume`: sets a run going that was claimed again."""
        self._store = store
        self._dispatcher = dispatcher
        self._forced_end = forced_end
        self._resume = resume
        # Since when (time.monotonic()) each run is found so: by its id, and what is wrong with it
        self._since: dict[tuple[str, str], float] = {}
        # By when (time.monotonic()) a run expires that is executed here, by its id
        self._deadlines: dict[str, float] = {}
        # How often each run was tried to be put right, by its id
        self._attempts: Counter[str] = Counter()
        # Runs that were set going again, by their ids
        self._resumed: set[str] = set()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.ensure_future(self._look_again_and_again())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking], timeout=1.0)

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY)
            try:
                await self._look()
            except XiaozhiError as error:
                log.warning("the watchdog could not look after runs: %s", error)
            except Exception:  # whatever one look meets, the next one must come
                log.exception("the watchdog could not look after runs")

    async def _look(self) -> None:
        me, at = self._dispatcher.owner, now()
        found = await self._store.read(lambda c: left_runs.unattended(c, me, at))
        seen = time.monotonic()
        self._deadlines = {
            run.id: self._deadlines.get(run.id, seen + run.expires_at - at) for run in found
        }
        wrong = [(run, what) for run in found if (what := self._what_is_wrong(run, at, seen))]
        self._since = {
            key: self._since.get(key, seen) for key in ((run.id, what) for run, what in wrong)
        }
        self._resumed &= {run.id for run in found}
        # An attempt that fails ends this look: with the next one, the others come first.
        attempts = self._attempts = Counter({run.id: self._attempts[run.id] for run in found})
        for run, what in sorted(wrong, key=lambda one: attempts[one[0].id]):
            patience = BELIEVED_AFTER if run.is_own else BELIEVED_OF_OTHERS_AFTER
            if seen - self._since[run.id, what] >= patience:
                attempts[run.id] += 1
                await self._put_right(run, what)

    def _what_is_wrong(self, run: Unattended, at: int, seen: float) -> str:
        """In a word, for the log; empty where it is well. `seen`: by time.monotonic()."""
        is_executed_here = self._dispatcher.knows(run.id)
        if run.status == "cancelling":
            return "cancelling"
        if run.expires_at <= at and not (is_executed_here and seen < self._deadlines[run.id]):
            return "expired"
        return "" if is_executed_here or not run.is_own else "lost"

    async def _put_right(self, run: Unattended, what: str) -> None:
        executed = "executed here" if self._dispatcher.knows(run.id) else "not executed here"
        words = "run %s: nobody has ended it; it is %s (%s; %s; expires_at %s)"
        log.error(words, run.id, what, f"its row says {run.status}", executed, run.expires_at)
        if what == "lost" and run.id not in self._resumed:
            self._resumed.add(run.id)
            return await self._go_on(run.id)
        outcome = failed("server_error", LOST) if what == "lost" else Outcome("expired")
        try:
            ended = await self._forced_end.write(run.id, outcome)
        except NotFound:
            return
        if ended is not None:
            self._dispatcher.interrupt(run.id)
            self._forced_end.tell(ended)

    async def _go_on(self, run_id: str) -> None:
        me = self._dispatcher.owner
        claimed = await self._store.write(lambda c: left_runs.claim_again(c, me, [run_id]))
        for segment in claimed:
            self._resume(segment)
