"""The schema that migrations make is the one that `tables.py` shows."""

import json
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from tests.store.conftest import Database
from xiaozhi.errors import CannotStart
from xiaozhi.store import (
    PageWanted,
    ThreadsWanted,
    schema,
    search_postgres,
    search_sqlite,
    tables,
    thread_page,
    thread_rows,
)
from xiaozhi.store.search_sqlite import MADE_BY_FTS5


def test_migrations_make_the_tables_of_today(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        assert schema.revision(connection) == schema.known_revisions()[-1]
        is_postgres = connection.dialect.name == "postgresql"

        def is_ours(name: str | None, *_: Any) -> bool:
            # What FTS5 keeps its index in is no table of ours.
            return is_postgres or name not in MADE_BY_FTS5

        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, tables_of_today(connection)) == []

    database(story)


def tables_of_today(connection: Connection) -> MetaData:
    is_postgres = connection.dialect.name == "postgresql"
    search = search_postgres.search if is_postgres else search_sqlite.thread_metadata
    found = MetaData()
    for table in (*tables.metadata.sorted_tables, search):
        table.to_metadata(found)
    return found


def test_a_newer_schema_is_refused(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(CannotStart, match="newer version"):
            schema.check(connection)

    database(story)


def test_what_was_said_before_there_was_a_search_is_found(database: Database):
    title = {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {"title": "旅行"}}

    def first_release(connection: Connection) -> None:
        schema.upgrade(connection, "0001")
        old = MetaData()
        old.reflect(connection)
        connection.execute(
            old.tables["threads"].insert(),
            [
                {"id": "thread_1", "last_activity_at": 1, "body": json.dumps(title)},
                {"id": "thread_2", "last_activity_at": 2, "body": json.dumps({"metadata": {}})},
            ],
        )
        connection.execute(
            old.tables["messages"].insert(),
            [
                {"id": f"msg_{thread}_{number}", "thread_id": thread, "tokens": 1, "body": body}
                for number in range(600)
                for thread, body in (
                    ("thread_1", message("thread_1", f"第{number}天晴")),
                    ("thread_2", message("thread_2", "Still talking", status="in_progress")),
                )
            ],
        )

    def today(connection: Connection) -> None:
        schema.bring_up_to_date(connection)

        def found(words: str, **metadata: str) -> list[tuple[str, str | None]]:
            wanted = ThreadsWanted.by(words, list(metadata.items()))
            threads, _ = thread_page(connection, PageWanted(), wanted)
            return [(thread.id, thread.snippet) for thread in threads]

        assert found("旅") == [("thread_1", "旅行")]
        assert found("599天") == [("thread_1", "第599天晴")]
        assert found("talking") == []
        assert len(found("")) == 2
        assert found("", title="旅行") == [("thread_1", None)]
        thread_rows.delete(connection, "thread_1")
        assert found("旅") == found("599天") == found("", title="旅行") == []
        left = connection.exec_driver_sql("SELECT count(*) FROM search").scalar()
        assert left == 0

    database(first_release)
    database(today)


def test_what_is_new_after_an_upgrade_comes_behind_what_was_there(database: Database):
    def first_release(connection: Connection) -> None:
        schema.upgrade(connection, "0001")
        old = MetaData()
        old.reflect(connection)
        values = {"last_activity_at": 1, "body": json.dumps({"metadata": None})}
        for id in ("thread_1", "thread_2"):
            connection.execute(old.tables["threads"].insert(), {"id": id, **values})

    def today(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        connection.execute(
            tables.threads.insert(),
            {"id": "thread_3", "last_activity_at": 1, "body": "{}"},
        )
        threads, _ = thread_page(connection, PageWanted(), ThreadsWanted())
        assert [thread.id for thread in threads] == ["thread_3", "thread_2", "thread_1"]

    database(first_release)
    database(today)


def message(thread_id: str, words: str, status: str = "completed") -> str:
    content: list[Any] = [{"type": "text", "text": {"value": words, "annotations": []}}]
    return json.dumps(
        {
            "id": f"msg_{thread_id}",
            "object": "thread.message",
            "created_at": 1,
            "thread_id": thread_id,
            "status": status,
            "role": "user",
            "content": content,
            "attachments": [],
            "metadata": {},
        }
    )
