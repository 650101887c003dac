"""The schema that migrations make is the one that `tables.py` shows."""

import json
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from xiaozhi.errors import CannotStart
from xiaozhi.store import PageWanted, ThreadsWanted, schema, thread_page, thread_rows
from xiaozhi.store.search_sqlite import MADE_BY_FTS5
from xiaozhi.store.sqlite import engine
from xiaozhi.store.tables import metadata


def is_ours(name: str | None, *_: Any) -> bool:
    return name not in MADE_BY_FTS5


def test_migrations_make_the_tables_of_today(tmp_path: Path):
    made = engine(tmp_path / "x.db", writes=True)
    with made.connect() as connection, connection.begin():
        schema.bring_up_to_date(connection)
        assert schema.revision(connection) == schema.known_revisions()[-1]
        # What FTS5 keeps its index in is no table of ours.
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, metadata) == []


def test_a_newer_schema_is_refused(tmp_path: Path):
    made = engine(tmp_path / "x.db", writes=True)
    with made.connect() as connection, connection.begin():
        schema.bring_up_to_date(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(CannotStart, match="newer version"):
            schema.check(connection)


def test_what_was_said_before_there_was_a_search_is_found(tmp_path: Path):
    made = engine(tmp_path / "x.db", writes=True)
    title = {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {"title": "旅行"}}
    with made.connect() as connection, connection.begin():
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
        schema.bring_up_to_date(connection)

        def found(words: str) -> list[tuple[str, str | None]]:
            threads, _ = thread_page(connection, PageWanted(), ThreadsWanted.by(words, ()))
            return [(thread.id, thread.snippet) for thread in threads]

        assert found("旅") == [("thread_1", "旅行")]
        assert found("599天") == [("thread_1", "第599天晴")]
        assert found("talking") == []
        assert len(found("")) == 2
        thread_rows.delete(connection, "thread_1")
        assert found("旅") == found("599天") == []
        left = connection.exec_driver_sql("SELECT count(*) FROM search").scalar()
        assert left == 0


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
