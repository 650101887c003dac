"""Several processes on one Postgres, of which something dies while the others go on.

OneOfReplicas       a process, killed and started again
PostgresBelow       Postgres itself, killed or stopped, and started again
CutOffReplica       a process's connections to Postgres, as in a fail-over; it lives on
"""

import asyncio
import random
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, bindparam, text

from tests.postgres import PostgresServer, migrated
from tests.resilience import invariants
from tests.resilience.killable import Look, Value
from tests.resilience.server import Server
from xiaozhi.store.postgres import Postgres

DOWN = (0.0, 2.0)  # s that Postgres is away, besides its start
CLAIMED_WITHIN = 3.0  # s that one is cut off, where the others are to notice it
LOCK = "(classid::bigint << 32) | objid::bigint"  # of pg_locks: the number that was locked
# Each process holds a lock on its name (store/presence.py); a claim shares it for a moment.
ALIVE = f"""SELECT {LOCK} FROM pg_locks
    JOIN pg_database ON pg_database.oid = database AND datname = current_database()
    WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ExclusiveLock' AND granted"""
LEFT = text(f"""SELECT id FROM runs
    WHERE status IN ('queued', 'in_progress', 'cancelling')
    AND (owner IS NULL OR hashtextextended(owner, 0) NOT IN ({ALIVE}))""")
HOW_MANY_ALIVE = text(f"SELECT count(*) FROM ({ALIVE}) AS alive")
CUT_OFF = text("""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE client_port IN :ports""").bindparams(bindparam("ports", expanding=True))


class Replicas:
    """`servers`: alive, each with a port and a data folder of its own, on one database."""

    def __init__(self, servers: list[Server], database: str) -> None:
        self.servers = servers
        self._database = database

    @property
    def addresses(self) -> Sequence[str]:
        return [server.address for server in self.servers]

    def look(self, look: Look[Value]) -> Value:
        """On the database as it is now: one consistent view, nothing done to it."""

        async def looking() -> Value:
            store = await Postgres.open(self._database)
            try:
                return await store.read(look)
            finally:
                await store.close()

        # A loop may be running here, and must not go on meanwhile.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, looking()).result()

    def wait_until_ready(self) -> None:
        for server in self.servers:
            server.wait_until_ready()


@contextmanager
def replicas(
    folder: Path, postgres: PostgresServer, model_url: str, *, count: int = 3, stop_within: int = 10
) -> Generator[Replicas]:
    database = migrated(postgres.create_database())
    on = ("--database", database, "--model-url", model_url)
    environment = {"XIAOZHI_STOP_WITHIN": str(stop_within)}
    servers = [Server(folder / f"replica-{number}", *on, **environment) for number in range(count)]
    made = Replicas(servers, database)
    try:
        for server in servers:
            server.begin()
        made.wait_until_ready()
        yield made
    finally:
        for server in servers:
            server.kill()


class OneOfReplicas:
    """A random one is killed, and started again while the others go on."""

    shows_what_it_left = True

    def __init__(self, replicas: Replicas, choice: random.Random) -> None:
        self._replicas = replicas
        self._choice = choice
        self._dead = replicas.servers[0]
        self._died_at = 0.0
        self.addresses = replicas.addresses
        self.look = replicas.look

    def kill(self) -> None:
        self._dead = self._choice.choice(self._replicas.servers)
        self._died_at = time.monotonic()
        self._dead.kill()
        alive = len(self._replicas.servers) - 1
        # Postgres hears of it from the kernel, a moment later.
        while self.look(lambda left: left.execute(HOW_MANY_ALIVE).scalar()) != alive:
            time.sleep(0.01)

    def start(self) -> float:
        self._dead.begin()
        self._dead.wait_until_ready()
        return self._died_at

    def killed_runs(self, left: Connection, /) -> set[str]:
        return set(left.execute(LEFT).scalars())


class PostgresBelow:
    """Postgres is killed, or stopped, while all replicas live on."""

    shows_what_it_left = False

    def __init__(self, replicas: Replicas, postgres: PostgresServer, choice: random.Random) -> None:
        self._replicas = replicas
        self._postgres = postgres
        self._choice = choice
        self.addresses = replicas.addresses
        self.look = replicas.look

    def kill(self) -> None:
        self._choice.choice([self._postgres.kill, self._postgres.stop])()

    def start(self) -> float:
        time.sleep(self._choice.uniform(*DOWN))
        self._postgres.start()
        since = time.monotonic()
        self._replicas.wait_until_ready()
        return since

    def killed_runs(self, left: Connection, /) -> set[str]:
        return invariants.unfinished(left)


class CutOffReplica:
    """A random one loses its connections to Postgres: for a moment, or until others notice it."""

    shows_what_it_left = True

    def __init__(self, replicas: Replicas, choice: random.Random) -> None:
        self._replicas = replicas
        self._choice = choice
        self._cut_off = replicas.servers[0]
        self._is_claimed = False
        self._under_way: set[str] = set()
        self.addresses = replicas.addresses
        self.look = replicas.look

    def kill(self) -> None:
        self._cut_off = self._choice.choice(self._replicas.servers)
        self._is_claimed = self._choice.random() < 0.5
        if self._is_claimed:
            # So that it cannot connect again before the others have looked
            self._cut_off.freeze()
        self._under_way = cut_off(self._replicas, self._cut_off)

    def start(self) -> float:
        if self._is_claimed:
            time.sleep(CLAIMED_WITHIN)
            self._cut_off.thaw()
        since = time.monotonic()
        self._cut_off.wait_until_ready()
        return since

    def killed_runs(self, _left: Connection) -> set[str]:
        return self._under_way


def cut_off(replicas: Replicas, server: Server) -> set[str]:
    """All its connections to Postgres are ended there, as in a fail-over.

    Returns the runs that were under way, its own and others.
    """
    connections = server.process.net_connections("tcp")
    ports = [one.laddr.port for one in connections if one.raddr and one.laddr.port != server.port]

    def cut(left: Connection) -> set[str]:
        under_way = invariants.unfinished(left)
        assert left.execute(CUT_OFF, {"ports": ports}).all(), "it had no connections"
        return under_way

    return replicas.look(cut)
