"""One process among several: whom it believes dead, and when."""

import asyncio

from tests.dispatch.test_places import some_places
from tests.postgres import PostgresServer, migrated
from tests.runs.a_run import a_run
from tests.store.test_sqlite import add, thread
from xiaozhi.dispatch import InProcess
from xiaozhi.dispatch.replicas import CERTAIN_AFTER, LOOKS_EVERY, Replicas
from xiaozhi.store import Connection, Segment, run_rows
from xiaozhi.store.postgres import Postgres
from xiaozhi.store.presence import Presence


def left_by_a_dead_one(connection: Connection) -> None:
    run = a_run()
    add(thread(run.thread_id))(connection)
    run_rows.lock_thread(connection, run.thread_id, run.id, 1)
    run_rows.add_run(connection, run, owner="proc_dead", expires_at=600)


async def unexpected(_thread_or_segment: object, _run: object = None) -> None:
    raise AssertionError("nobody here begins anything, or waits for a client")


def test_nobody_is_dead_before_it_is_certain_however_often_one_looks(postgres: PostgresServer):
    address = migrated(postgres.create_database())

    async def story() -> None:
        store = await Postgres.open(address)
        await store.write(left_by_a_dead_one)
        here, other = Presence(address, "proc_here"), Presence(address, "proc_other")
        await here.open()
        await other.open()
        taken_up: list[Segment] = []
        replicas = Replicas(InProcess(store, "proc_here", some_places(1)), store, here)
        replicas.open(unexpected, taken_up.append, unexpected)
        began = asyncio.get_running_loop().time()
        assert await replicas.recover() == 0
        while not taken_up:
            # Whoever leaves says so, and everybody looks at once.
            await other.tell("left")
            await asyncio.sleep(0.05)
            assert asyncio.get_running_loop().time() < began + CERTAIN_AFTER + 20 * LOOKS_EVERY
        assert asyncio.get_running_loop().time() >= began + CERTAIN_AFTER
        [segment] = taken_up
        assert (segment.run.id, segment.epoch) == ("run_x", 1)
        await replicas.close()
        for one in (here, other, store):
            await one.close()

    asyncio.run(story())
