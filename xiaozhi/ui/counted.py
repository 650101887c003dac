"""How many messages a conversation has, without reading all of them at each look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

KEPT = 50  # conversations; between more than these nobody switches to and fro


@dataclass(frozen=True)
class Counted:
    """What is known from the last look. `before`: messages older than the first of `ids`.

    `ids`: the newest messages, oldest first.
    """

    thread_id: str
    before: int
    ids: Sequence[str]

    @property
    def count(self) -> int:
        return self.before + len(self.ids)


class Counts:
    """The counts of the conversations that one page has looked at last, `KEPT` of them."""

    def __init__(self) -> None:
        self._of: dict[str, Counted] = {}

    def of(self, thread_id: str) -> Counted | None:
        return self._of.get(thread_id)

    def keep(self, count: Counted) -> None:
        self.forget(count.thread_id)
        self._of[count.thread_id] = count
        if len(self._of) > KEPT:
            self.forget(next(iter(self._of)))

    def forget(self, thread_id: str) -> None:
        self._of.pop(thread_id, None)


def counted(
    known: Counted | None, thread_id: str, ids: Sequence[str], read: Callable[[], int]
) -> Counted:
    """`ids`: the thread's newest messages, oldest first. `read`: counts all of them.

    It is asked only where nothing is known of the oldest of them. What is older than the last
    look's messages counts as unchanged.
    """
    if known is not None and known.thread_id == thread_id:
        places = {id: known.before + place for place, id in enumerate(known.ids)}
        for place, id in enumerate(ids):
            if id in places:
                # Above it there may be earlier ones, which were not looked at the last time.
                return Counted(thread_id, max(0, places[id] - place), ids)
    return Counted(thread_id, read() - len(ids), ids)
