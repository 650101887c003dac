"""The store on real Postgres: units of work that run side by side, and again where they must."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest
from asyncpg.prepared_stmt import PreparedStatement

from tests.postgres import PostgresServer, migrated
from tests.store.test_sqlite import add, thread
from xiaozhi import store
from xiaozhi.errors import CannotStart, NotFound, Unavailable
from xiaozhi.store import Connection
from xiaozhi.store.postgres import CONNECTIONS, Postgres
from xiaozhi.store.presence import Presence

Story = Callable[[Postgres], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def address(postgres: PostgresServer) -> str:
    return migrated(postgres.create_database())


def lived(story: Story, address: str) -> None:
    async def live() -> None:
        database = await Postgres.open(address)
        try:
            await story(database)
        finally:
            await database.close()

    asyncio.run(live())


def test_what_was_written_is_read_by_everybody_at_once(address: str):
    async def story(database: Postgres) -> None:
        made = thread()
        await database.write(add(made))
        reading = [database.read(lambda c: store.threads.get(c, made.id)) for _ in range(30)]
        assert await asyncio.gather(*reading) == [made] * 30

    lived(story, address)


def test_a_failing_write_leaves_nothing_and_is_not_tried_again(address: str):
    async def story(database: Postgres) -> None:
        made, tries = thread(), 0

        def fail(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            add(made)(connection)
            raise ValueError("halfway")

        with pytest.raises(ValueError, match="halfway"):
            await database.write(fail)
        assert tries == 1
        with pytest.raises(NotFound):
            await database.read(lambda c: store.threads.get(c, made.id))

    lived(story, address)


def test_a_unit_that_comes_too_late_sees_what_the_other_did(address: str):
    """Both look whether it is there, and both add it: one of them looks again."""

    async def story(database: Postgres) -> None:
        made = thread()

        def add_if_missing(connection: Connection) -> bool:
            if store.threads.exists(connection, made.id):
                return False
            connection.exec_driver_sql("SELECT pg_sleep(0.1)")
            add(made)(connection)
            return True

        adding = [database.write(add_if_missing) for _ in range(4)]
        assert sorted(await asyncio.gather(*adding)) == [False, False, False, True]

    lived(story, address)


def test_two_that_wait_for_one_another_both_get_through(address: str):
    async def story(database: Postgres) -> None:
        one, other = thread(), thread()
        for made in (one, other):
            await database.write(add(made))

        def both(first: str, second: str) -> Callable[[Connection], None]:
            def work(connection: Connection) -> None:
                store.threads.locked(connection, first)
                connection.exec_driver_sql("SELECT pg_sleep(0.2)")
                store.threads.locked(connection, second)

            return work

        await asyncio.gather(
            database.write(both(one.id, other.id)), database.write(both(other.id, one.id))
        )

    lived(story, address)


def test_connections_that_were_cut_are_made_again(address: str):
    async def story(database: Postgres) -> None:
        made = thread()
        await database.write(add(made))
        for _ in range(CONNECTIONS):
            await cut(address, "application_name = 'xiaozhi'")
            assert await database.read(lambda c: store.threads.get(c, made.id)) == made
            await database.write(add(thread()))

    lived(story, address)


def test_a_database_that_is_not_there_is_told_so(postgres: PostgresServer):
    for address, words in (
        (postgres.url("nowhere"), 'database "nowhere" does not exist'),
        ("postgresql://127.0.0.1:9/x", "Connect call failed"),
        ("postgresql://127.0.0.1:port/x", "port"),
    ):
        with pytest.raises(CannotStart, match=words):
            asyncio.run(Postgres.open(address))


def test_a_statement_that_finds_asyncpg_confused_was_lost(
    address: str, monkeypatch: pytest.MonkeyPatch
):
    """It says so where the server ends a connection in the midst of one (seen once in 200 kills).

    It cannot be had at will, so it is raised here.
    """
    execute, fetch = asyncpg.Connection.execute, PreparedStatement.fetch
    confused: list[str] = []

    def once(where: str) -> None:
        if where not in confused:
            confused.append(where)
            raise asyncpg.InternalClientError("cannot switch to state 15")

    async def execute_confused(made: Any, query: str, *rest: Any, **options: Any) -> str:
        if "pg_notify" in query:
            once("notify")
        return await execute(made, query, *rest, **options)

    async def fetch_confused(statement: Any, *values: Any, **options: Any) -> Any:
        once("fetch")
        return await fetch(statement, *values, **options)

    async def story(database: Postgres) -> None:
        monkeypatch.setattr(asyncpg.Connection, "execute", execute_confused)
        monkeypatch.setattr(PreparedStatement, "fetch", fetch_confused)
        assert await database.read(lambda c: c.exec_driver_sql("SELECT 1").scalar_one()) == 1
        here = Presence(address, "proc_confused")
        returned = asyncio.Event()
        here.on_return(returned.set)
        await here.open()
        await here.tell("hello")
        async with asyncio.timeout(20):
            await returned.wait()
        await here.close()

    lived(story, address)
    assert confused == ["fetch", "notify"]


def test_whoever_lives_is_reached_also_after_its_connection_was_cut(address: str):
    async def story() -> None:
        here, there = Presence(address, "proc_here"), Presence(address, "proc_There")
        heard: asyncio.Queue[tuple[list[str], str]] = asyncio.Queue()
        returned = asyncio.Event()
        there.on("hello", lambda about, text: heard.put_nowait((about, text)))
        there.on_return(returned.set)
        await here.open()
        await there.open()

        async def told(*about: str, text: str = "", to: str = "xiaozhi") -> tuple[list[str], str]:
            await here.tell("hello", *about, text=text, to=to)
            return await heard.get()

        async with asyncio.timeout(20):
            assert await told("a", "b") == (["a", "b"], "")
            assert await told(text="小智\n\n" * 500, to="proc_There") == ([], "小智\n\n" * 500)
            await cut(address, "query LIKE 'LISTEN%' OR query LIKE '%notify%'")
            await returned.wait()
            await here.probe()
            await asyncio.sleep(0.5)
            assert await told("again") == (["again"], "")
        await here.close()
        await there.close()

    asyncio.run(story())


async def cut(address: str, which: str) -> None:
    """End connections from the other side, as a fail-over does."""
    admin = await asyncpg.connect(address)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE pid != pg_backend_pid() AND datname = current_database() AND ({which})"
    )
    await admin.close()


@pytest.mark.parametrize(
    "code", ["53100", "53200", "58030", "XX001", "XX002", "25006", "28000", "3D000"]
)
def test_what_an_operator_has_to_see_to_is_unavailable(address: str, code: str):
    """A full disk, an error of the system, damage, a standby, a login or a database gone."""

    async def story(database: Postgres) -> None:
        tries = 0

        def fail(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            raising = f"DO $$ BEGIN RAISE EXCEPTION 'as it says' USING ERRCODE = '{code}'; END $$"
            connection.exec_driver_sql(raising)

        for run in (database.write, database.read):
            with pytest.raises(Unavailable, match="cannot be used now: as it says"):
                await run(fail)
        assert tries == 2

    lived(story, address)


def test_a_database_that_became_read_only_is_unavailable(address: str):
    async def story(database: Postgres) -> None:
        def write(connection: Connection) -> None:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            add(thread())(connection)

        with pytest.raises(Unavailable, match="read-only transaction"):
            await database.write(write)
        await database.check()

    lived(story, address)
