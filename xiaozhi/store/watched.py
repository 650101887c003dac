"""A database whose units of work are timed: for the metrics, and as spans."""

import time
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from xiaozhi import metrics, tracing
from xiaozhi.store.store import Result, Store, Work


class Watched:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.trouble = store.trouble
        self.check = store.check
        self.close = store.close

    async def read(self, work: Work[Result]) -> Result:
        return await _timed("read", self._store.read, work)

    async def write(self, work: Work[Result]) -> Result:
        return await _timed("write", self._store.write, work)


async def _timed(
    kind: str, run: Callable[[Work[Result]], Awaitable[Result]], work: Work[Result]
) -> Result:
    asked = time.perf_counter()
    began = 0.0

    def timed(connection: Connection) -> Result:
        nonlocal began
        began = time.perf_counter()
        return work(connection)

    with tracing.span(f"database {kind}", {"db.operation.name": kind}):
        try:
            return await run(timed)
        finally:
            # What never began has waited all the time. The commit is a part of the work.
            ended = time.perf_counter()
            metrics.unit_of_work(kind, (began or ended) - asked, ended - (began or ended))
