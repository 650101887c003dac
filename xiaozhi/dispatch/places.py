"""Who may be executed now, and who comes next: places, and one queue a model. Pure: no tasks.

    start ──► a place is free ───────────────────────────► executed ──► leaves
         └──► waits in its model's queue, first in first out ─┘ ▲
                                  models are served in turn ────┘

A model whose runs pile up holds up nobody else. Runs that go on with their client's outputs come
before new ones of their model: work has gone into them.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from xiaozhi.store import Segment

# How many answers a model gives at a time, by its name; None: nobody knows a bound
Bound = Callable[[str], int | None]


@dataclass(slots=True)
class _Queue:
    going_on: dict[str, Segment] = field(default_factory=dict[str, Segment])
    new: dict[str, Segment] = field(default_factory=dict[str, Segment])

    def __bool__(self) -> bool:
        return bool(self.going_on or self.new)

    def add(self, segment: Segment) -> None:
        (self.going_on if segment.number else self.new)[segment.run.id] = segment

    def pop(self) -> Segment:
        waiting = self.going_on or self.new
        return waiting.pop(next(iter(waiting)))

    def remove(self, run_id: str) -> Segment | None:
        return self.going_on.pop(run_id, None) or self.new.pop(run_id, None)


class Places:
    """`places`: executed at a time. `bound`: of those, by one model. `queued`: may wait."""

    def __init__(self, places: int, bound: Bound, *, queued: int) -> None:
        self._places = places
        self._bound = bound
        self._queued = queued
        self._taken: Counter[str] = Counter()
        self._in_all = 0
        self._queues: dict[str, _Queue] = {}
        self._model_of: dict[str, str] = {}
        self._closed = False

    @property
    def waiting(self) -> Collection[str]:
        """The ids of the runs that wait for a place."""
        return self._model_of.keys()

    def enter(self, segment: Segment) -> bool:
        """Take a place; where none is free the segment waits, whatever the length of its queue."""
        model = segment.run.model
        if not self._closed and model not in self._queues and self._has_place(model):
            self._take(model)
            return True
        self._model_of[segment.run.id] = model
        # While it waits messages may be deleted, and those of many runs would be held in memory.
        self._queues.setdefault(model, _Queue()).add(replace(segment, messages=None))
        return False

    def leave(self, segment: Segment) -> None:
        """Its place is free again: `next` says for whom."""
        model = segment.run.model
        self._taken[model] -= 1
        if not self._taken[model]:
            del self._taken[model]
        self._in_all -= 1

    def next(self) -> Segment | None:
        """One that waited, and has a place now; None where no more can have one."""
        if self._closed or self._in_all >= self._places:
            return None
        for model, queue in self._queues.items():
            if self._has_place(model):
                segment = queue.pop()
                del self._model_of[segment.run.id]
                del self._queues[model]
                if queue:
                    self._queues[model] = queue  # at the end: the others come first
                self._take(model)
                return segment
        return None

    def withdraw(self, run_id: str) -> Segment | None:
        """It waits no more, and gets no place. None where it did not wait."""
        model = self._model_of.pop(run_id, None)
        if model is None:
            return None
        queue = self._queues[model]
        segment = queue.remove(run_id)
        if not queue:
            del self._queues[model]
        return segment

    def room(self, model: str | None = None) -> int:
        """How many more would be taken, to be executed or to wait; of `model`: executed at once.

        Where some wait although places are free, these are for other models: without `model` they
        are not counted.
        """
        free = max(0, self._places - self._in_all)
        if model is None:
            return self._queued - len(self._model_of) + (0 if self._model_of else free)
        if model in self._queues:
            return 0
        bound = self._bound(model)
        return free if bound is None else max(0, min(free, bound - self._taken[model]))

    def close(self) -> None:
        """Nobody gets a place any more; who has one keeps it."""
        self._closed = True

    def _has_place(self, model: str) -> bool:
        if self._in_all >= self._places:
            return False
        bound = self._bound(model)
        return bound is None or self._taken[model] < bound

    def _take(self, model: str) -> None:
        self._taken[model] += 1
        self._in_all += 1
