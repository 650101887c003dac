"""How long a server's event loop is held at a time, measured so that a busy machine says the same.

The loop's own processor time between two heartbeats, not the clock's: what other processes and
threads do in between does not count.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.api.test_transport import ask
from tests.running import Running

BEATS_EVERY = 0.001  # s
MOST = 0.05  # s


class Heart:
    """`longest`: s of processor time that the loop took without looking at anything else."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._beating = asyncio.ensure_future(self._beat())

    async def stop(self) -> None:
        assert self._beating
        self._beating.cancel()

    async def _beat(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(BEATS_EVERY)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            last = now


@contextmanager
def others_served(server: Running) -> Generator[Heart]:
    """Whatever happens inside, others are answered, and the loop is held for `MOST` at most."""
    heart, over = Heart(), threading.Event()
    answered: list[int] = []

    def be_another_client() -> None:
        while not over.is_set():
            answered.append(ask(server, "/v1/models").status)
            over.wait(0.02)

    other = threading.Thread(target=be_another_client)
    # As `serving` does: else the collector looks through all that the tests have loaded.
    gc.collect()
    gc.freeze()
    server.on_the_loop(heart.start)
    other.start()
    try:
        yield heart
    finally:
        over.set()
        other.join()
        server.on_the_loop(heart.stop)
        gc.unfreeze()
    assert set(answered) == {200}
    assert heart.longest < MOST, heart.longest
