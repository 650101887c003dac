"""The store on real SQLite: what a write promises, alone and together with others."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai.types.beta import Thread
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from xiaozhi import store
from xiaozhi.errors import CannotStart, NotFound, Unavailable
from xiaozhi.ids import new_id
from xiaozhi.store import Connection, PageWanted, SQLite


def thread(id: str = "", **metadata: str) -> Thread:
    return Thread.model_validate(
        {
            "id": id or new_id("thread_"),
            "object": "thread",
            "created_at": 1,
            "metadata": metadata,
            "tool_resources": {},
        }
    )


def add(made: Thread) -> Callable[[Connection], None]:
    return lambda connection: store.threads.add(connection, made, last_activity_at=1)


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SQLite]:
    database = await SQLite.open(path)
    try:
        yield database
    finally:
        await database.close()


def run(story: Callable[[SQLite], Coroutine[Any, Any, None]], folder: Path) -> None:
    """Live `story` with an open database."""

    async def live() -> None:
        async with opened(folder / "x.db") as database:
            await story(database)

    asyncio.run(live())


def test_what_was_written_is_read_by_everybody_at_once(tmp_path: Path):
    async def story(database: SQLite) -> None:
        made = thread()
        await database.write(add(made))
        found = await asyncio.gather(
            *(database.read(lambda c: store.threads.get(c, made.id)) for _ in range(8))
        )
        assert found == [made] * 8

    run(story, tmp_path)


def test_what_was_deleted_is_not_in_the_file(tmp_path: Path):
    async def story(database: SQLite) -> None:
        made = thread(note="canary")
        await database.write(add(made))
        await database.write(lambda c: store.threads.delete(c, made.id))

    run(story, tmp_path)
    assert [file.name for file in tmp_path.iterdir() if b"canary" in file.read_bytes()] == []


def test_a_failing_write_leaves_nothing_and_harms_no_other(tmp_path: Path):
    async def story(database: SQLite) -> None:
        good = [thread() for _ in range(20)]
        bad = thread()

        def fail(connection: Connection) -> None:
            add(bad)(connection)
            raise ValueError("halfway")

        works = [add(made) for made in good]
        works.insert(10, fail)
        found = await asyncio.gather(*map(database.write, works), return_exceptions=True)
        assert [str(error) for error in found if error] == ["halfway"]
        for made in good:
            await database.read(lambda c, id=made.id: store.threads.get(c, id))
        with pytest.raises(NotFound):
            await database.read(lambda c: store.threads.get(c, bad.id))

    run(story, tmp_path)


def test_writes_happen_in_the_order_in_which_they_were_begun(tmp_path: Path):
    async def story(database: SQLite) -> None:
        made = [thread() for _ in range(300)]
        await asyncio.gather(*(database.write(add(one)) for one in made))
        wanted = PageWanted(limit=300, order="asc")
        page = await database.read(lambda c: store.threads.page(c, wanted))
        assert page.ids == [one.id for one in made]

    run(story, tmp_path)


def test_a_reader_cannot_write(tmp_path: Path):
    async def story(database: SQLite) -> None:
        with pytest.raises(Exception, match="readonly"):
            await database.read(add(thread()))
        await database.write(add(thread()))

    run(story, tmp_path)


def test_a_read_sees_one_moment(tmp_path: Path):
    async def story(database: SQLite) -> None:
        loop = asyncio.get_running_loop()
        first, second = thread(), thread()
        await database.write(add(first))

        def look(connection: Connection) -> tuple[int, int]:
            before = len(store.threads.page(connection, PageWanted()).ids)
            asyncio.run_coroutine_threadsafe(database.write(add(second)), loop).result(10)
            return before, len(store.threads.page(connection, PageWanted()).ids)

        assert await database.read(look) == (1, 1)
        assert await database.read(lambda c: len(store.threads.page(c, PageWanted()).ids)) == 2

    run(story, tmp_path)


def test_a_check_writes_nothing_unless_a_write_has_failed(tmp_path: Path):
    async def story(database: SQLite) -> None:
        wal = tmp_path / "x.db-wal"
        await database.write(add(thread()))
        size = wal.stat().st_size
        await database.check()
        assert wal.stat().st_size == size
        assert database.trouble() is None

        def full(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count=1")

        def roomy(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")

        await database.write(full)
        large = {str(number): "x" * 512 for number in range(16)}
        found = await asyncio.gather(
            *(database.write(add(thread(**large))) for _ in range(100)), return_exceptions=True
        )
        assert isinstance(found[-1], Unavailable)
        assert database.trouble() == "database or disk is full"
        await database.write(roomy)
        assert database.trouble() is None

        def fails(_connection: Connection) -> None:
            raise OperationalError("", None, sqlite3.OperationalError("disk I/O error"))

        with pytest.raises(Unavailable):
            await database.write(fails)
        assert database.trouble() == "disk I/O error"
        # The disk is well again, and nobody writes: a check finds that out.
        await database.check()
        assert database.trouble() is None

    run(story, tmp_path)


def test_a_database_that_cannot_be_written_says_so_and_recovers(tmp_path: Path):
    async def story(database: SQLite) -> None:
        def full(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count=1")

        def roomy(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")

        await database.write(full)
        large = {str(number): "x" * 512 for number in range(16)}

        async def fill() -> None:
            for _ in range(100):
                await database.write(add(thread(**large)))

        with pytest.raises(Unavailable, match="database or disk is full"):
            await fill()
        await database.write(roomy)
        made = thread()
        await database.write(add(made))
        assert await database.read(lambda c: store.threads.get(c, made.id)) == made

    run(story, tmp_path)


def test_two_servers_never_have_one_database(tmp_path: Path):
    async def story(database: SQLite) -> None:
        with pytest.raises(CannotStart, match="Another server is using the data"):
            await SQLite.open(tmp_path / "x.db")

    run(story, tmp_path)
    run(lambda database: database.check(), tmp_path)


def test_it_is_durable_and_only_the_writer_checkpoints(tmp_path: Path):
    async def story(database: SQLite) -> None:
        def settings(connection: Connection) -> list[object]:
            return [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
            ]

        assert await database.write(settings) == ["wal", 2, 1, 1000]
        assert await database.read(settings) == ["wal", 2, 1, 0]

    run(story, tmp_path)


def test_a_write_that_nobody_waits_for_any_more_does_no_harm(tmp_path: Path):
    async def story(database: SQLite) -> None:
        made = [thread() for _ in range(51)]
        for one in made[:-1]:
            task = asyncio.ensure_future(database.write(add(one)))
            await asyncio.sleep(0)
            task.cancel()
        await database.write(add(made[-1]))
        wanted = PageWanted(limit=100, order="asc")
        page = await database.read(lambda c: store.threads.page(c, wanted))
        # Each had been begun, so each is there, whole and in its place.
        assert page.ids == [one.id for one in made]

    run(story, tmp_path)


def test_whatever_befalls_the_writer_every_write_is_answered_and_the_next_one_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async def story(database: SQLite) -> None:
        def breaks_the_commit(connection: Connection) -> None:
            @event.listens_for(connection.engine, "commit", once=True)
            def _(_connection: Connection) -> None:
                raise RuntimeError("no error of the database's")

        good = thread()
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable, match="its writer failed"):
                await database.write(breaks_the_commit)
            await database.write(add(good))
        assert await database.read(lambda c: store.threads.get(c, good.id)) == good

    run(story, tmp_path)
    assert "the writer of the database failed, and begins again" in caplog.text


def test_a_write_after_the_end_is_refused_and_does_not_wait(tmp_path: Path):
    async def story() -> None:
        async with opened(tmp_path / "x.db") as database:
            pass
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable, match="closed"):
                await database.write(add(thread()))

    asyncio.run(story())


def test_deleting_a_thread_takes_along_what_lies_in_it(tmp_path: Path):
    from xiaozhi import threads
    from xiaozhi.requests import CreateMessage, CreateThread

    async def story(database: SQLite) -> None:
        request = CreateThread(messages=[CreateMessage(role="user", content="hi")])
        made = await database.write(lambda c: threads.add_thread(c, request, 1))
        await database.write(lambda c: store.threads.delete(c, made.id))

    run(story, tmp_path)
    with sqlite3.connect(tmp_path / "x.db") as left:
        assert left.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    left.close()
