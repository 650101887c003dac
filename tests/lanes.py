"""Which pytest-xdist worker runs which test files: what waits runs beside what computes.

Each folder of tests belongs to a lane, each worker begins with a lane of its own, and helps with
another one when its own is done. So the kills and the processes, which mostly wait, share the
machine with the page in Chromium, which mostly computes, and the page's server is started in one
worker only. A file is never split: what its tests share is made once.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer  # pyright: ignore[reportMissingTypeStubs]
from xdist.scheduler import LoadScopeScheduling  # pyright: ignore[reportMissingTypeStubs]
from xdist.workermanage import WorkerController  # pyright: ignore[reportMissingTypeStubs]

# Folders below tests/, those that take longest first. One that is not named is in the last lane.
LANES = (
    ("resilience", "process", "replicas", "deploy", "clients"),
    ("ui",),
    (),
)


class Lanes(LoadScopeScheduling):
    """`workqueue`, in the base class: the files that nobody has begun, with their tests."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        self._workers: list[WorkerController] = []

    def add_node(self, node: WorkerController) -> None:
        super().add_node(node)
        self._workers.append(node)

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        # The base class takes the first one.
        self.workqueue.move_to_end(self._next_file(node), last=False)
        super()._assign_work_unit(node)

    def _next_file(self, node: WorkerController) -> str:
        """The first one of the worker's own lane; else the last one of another lane."""
        own = self._workers.index(node) % len(LANES)
        ordered = sorted(self.workqueue, key=_position)
        for lane in _from(own):
            waiting = [file for file in ordered if _position(file)[0] == lane]
            if waiting:
                return waiting[0 if lane == own else -1]
        raise AssertionError("nothing is left to do")


def _from(own: int) -> Iterator[int]:
    for ahead in range(len(LANES)):
        yield (own + ahead) % len(LANES)


def _position(file: str) -> tuple[int, int, str]:
    """The lane, the folder's place in it, the file's name."""
    folder = PurePosixPath(file).parts[1]
    for number, folders in enumerate(LANES):
        if folder in folders:
            return number, folders.index(folder), file
    return len(LANES) - 1, 0, file
