"""The files of an SQLite database: any name, closed to others, and noticed when they are gone."""

import asyncio
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.test_sqlite import add, opened, run, thread
from xiaozhi import store
from xiaozhi.errors import CannotStart, Unavailable
from xiaozhi.store import PageWanted, SQLite, migrate


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# --- any name


@pytest.mark.parametrize(
    "name", ["e%41", "a#b", "c?d", "a b#c?d%41&mode=ro", "数据 é", "q'\"`;:@+=", "file:x", "~x"]
)
def test_a_folder_may_have_any_name(tmp_path: Path, name: str):
    folder = tmp_path / name
    made = thread()

    async def story(database: SQLite) -> None:
        await database.write(add(made))
        await database.check()

    run(story, folder)
    assert sorted(os.listdir(tmp_path)) == [name]
    assert sorted(os.listdir(folder)) == ["x.db", "x.lock"]

    async def again(database: SQLite) -> None:
        assert await database.read(lambda c: store.threads.get(c, made.id)) == made

    run(again, folder)
    assert sorted(os.listdir(tmp_path)) == [name]


@pytest.mark.parametrize("name", ["e%41", "a#b", "c?d"])
def test_a_newer_schema_is_seen_in_a_folder_of_any_name(tmp_path: Path, name: str):
    folder = tmp_path / name
    migrate(folder / "x.db")
    with sqlite3.connect(folder / "x.db") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    with pytest.raises(CannotStart, match="newer version"):
        migrate(folder / "x.db")
    assert os.listdir(tmp_path) == [name]


# --- closed to others


def test_nobody_else_can_read_them(tmp_path: Path):
    folder = tmp_path / "new"
    before = os.umask(0)

    async def story(database: SQLite) -> None:
        await database.write(add(thread()))
        files = ("x.db", "x.db-shm", "x.db-wal", "x.lock")
        assert {name: mode(folder / name) for name in sorted(os.listdir(folder))} == dict.fromkeys(
            files, 0o600
        )
        assert mode(folder) == 0o700

    try:
        run(story, folder)
    finally:
        os.umask(before)


def test_wider_ones_are_narrowed_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "x.db"
    migrate(path)
    path.chmod(0o644)
    (tmp_path / "x.lock").chmod(0o666)
    with caplog.at_level(logging.WARNING):
        migrate(path)
    assert (mode(path), mode(tmp_path / "x.lock")) == (0o600, 0o600)
    assert f"other users could use {path} (mode 644): it is 600 now" in caplog.messages
    caplog.clear()
    migrate(path)
    assert caplog.messages == []


def test_a_link_leads_to_a_file_that_is_closed_too(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    migrate(elsewhere / "real.db")
    (elsewhere / "real.db").chmod(0o644)
    link = tmp_path / "x.db"
    link.symlink_to(elsewhere / "real.db")

    async def story(database: SQLite) -> None:
        await database.write(add(thread()))
        for name in ("real.db", "real.db-wal", "real.db-shm"):
            assert mode(elsewhere / name) == 0o600
        (elsewhere / "real.db").unlink()
        with pytest.raises(Unavailable, match=r"real\.db was deleted or moved"):
            await database.write(add(thread()))

    run(story, tmp_path)


# --- gone while the server runs


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def swap(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    copy.replace(path)


def replace_with_another(path: Path) -> None:
    migrate(path.with_name("another.db"))
    path.with_name("another.db").replace(path)


def cut_off(path: Path) -> None:
    os.truncate(path, 4096)


def delete_wal(path: Path) -> None:
    path.with_name("x.db-wal").unlink()


def delete_shm(path: Path) -> None:
    path.with_name("x.db-shm").unlink()


def move_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


@pytest.mark.parametrize(
    "harm",
    [
        delete,
        move,
        swap,
        replace_with_another,
        cut_off,
        delete_wal,
        delete_shm,
        move_the_folder,
    ],
)
def test_it_is_noticed(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "data"

    async def story(database: SQLite) -> None:
        made = [thread() for _ in range(50)]
        for one in made:
            await database.write(add(one))
        # So that there is something in the file itself
        await database.write(lambda c: None)
        await asyncio.to_thread(harm, folder / "x.db")
        left = sorted(os.listdir(tmp_path))
        with pytest.raises(Unavailable, match=r"x\.db.* while the server was running"):
            await database.check()
        assert "while the server was running" in (database.trouble() or "")
        with pytest.raises(Unavailable, match=r"The database cannot be written: x\.db"):
            await database.write(add(thread()))
        if harm is not cut_off:
            # What can still be read is read, on every connection; and no empty database appears.
            pages = await asyncio.gather(
                *(
                    database.read(lambda c: store.threads.page(c, PageWanted(limit=100)))
                    for _ in range(16)
                )
            )
            assert {len(page.ids) for page in pages} == {50}
        assert sorted(os.listdir(tmp_path)) == left
        if harm in (delete, move, move_the_folder):
            assert not (folder / "x.db").exists()

    with caplog.at_level(logging.WARNING):
        run(story, folder)
    told = [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    assert len(told) == 1
    assert "restore a backup" in told[0].getMessage()


def test_a_file_that_is_put_back_is_used_again(tmp_path: Path):
    async def story(database: SQLite) -> None:
        await database.write(add(thread()))
        folder, moved = tmp_path / "data", tmp_path / "moved"
        folder.rename(moved)
        with pytest.raises(Unavailable):
            await database.write(add(thread()))
        moved.rename(folder)
        await database.check()
        made = thread()
        await database.write(add(made))
        assert database.trouble() is None
        assert await database.read(lambda c: store.threads.get(c, made.id)) == made

    run(story, tmp_path / "data")


@pytest.mark.parametrize("harm", [delete_wal, delete_shm])
def test_what_the_wal_held_is_there_after_a_stop(tmp_path: Path, harm: Callable[[Path], None]):
    made = [thread() for _ in range(20)]

    async def story(database: SQLite) -> None:
        for one in made:
            await database.write(add(one))
        await asyncio.to_thread(harm, tmp_path / "x.db")
        with pytest.raises(Unavailable):
            await database.write(add(thread()))

    run(story, tmp_path)

    async def again(database: SQLite) -> None:
        page = await database.read(lambda c: store.threads.page(c, PageWanted(limit=100)))
        assert set(page.ids) == {one.id for one in made}

    run(again, tmp_path)


# --- damage


def overwrite(path: Path) -> None:
    """All but the first page, with what no database holds."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_damage_is_said_and_nothing_is_written_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    made = thread()

    async def before(database: SQLite) -> None:
        for number in range(100):
            await database.write(add(thread(note=f"canary {number}" * 20)))
        await database.write(add(made))

    async def story(database: SQLite) -> None:
        overwrite(tmp_path / "x.db")
        with pytest.raises(Unavailable, match=r"The database cannot be read: .*malformed"):
            await database.read(lambda c: store.threads.get(c, made.id))
        with pytest.raises(Unavailable, match="malformed"):
            await database.check()
        with pytest.raises(Unavailable, match=r"The database cannot be written: .*malformed"):
            await database.write(add(thread()))

    run(before, tmp_path)
    with caplog.at_level(logging.WARNING):
        run(story, tmp_path)
    told = [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    assert len(told) == 1
    assert ".recover" in told[0].getMessage()
    assert "canary" not in caplog.text


def test_a_write_finds_damage_too(tmp_path: Path):
    async def before(database: SQLite) -> None:
        for number in range(100):
            await database.write(add(thread(note=f"note {number}" * 20)))

    async def story(database: SQLite) -> None:
        overwrite(tmp_path / "x.db")
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"The database cannot be written: .*malformed"):
                await database.write(add(thread()))
        with pytest.raises(Unavailable):
            await database.check()

    run(before, tmp_path)
    run(story, tmp_path)


def test_what_is_no_text_is_told_without_repeating_it(tmp_path: Path):
    async def story(database: SQLite) -> None:
        def write(connection: store.Connection) -> None:
            connection.exec_driver_sql(
                "INSERT INTO threads (id, last_activity_at, body) "
                "VALUES ('thread_x', 1, CAST(x'63616e617279ff' AS TEXT))"
            )

        await database.write(write)
        with pytest.raises(Unavailable, match="a text in it is not UTF-8") as told:
            await database.read(lambda c: store.threads.body(c, "thread_x"))
        assert "canary" not in str(told.value)

    run(story, tmp_path)


@pytest.mark.parametrize("size", [600, 5000])
def test_a_damaged_file_is_refused_with_advice(tmp_path: Path, size: int):
    (tmp_path / "x.db").write_bytes(os.urandom(size))

    async def start() -> None:
        async with opened(tmp_path / "x.db"):
            pass

    with pytest.raises(CannotStart, match="restore a backup"):
        asyncio.run(start())


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file/x.db", tmp_path / "file/deep/x.db", Path("/proc/x/x.db")):
        with pytest.raises(CannotStart, match="cannot be used"):
            migrate(path)
