"""The schema that migrations make is the one that `tables.py` shows."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from xiaozhi.errors import CannotStart
from xiaozhi.store import schema
from xiaozhi.store.sqlite import engine
from xiaozhi.store.tables import metadata


def test_migrations_make_the_tables_of_today(tmp_path: Path):
    made = engine(tmp_path / "x.db", writes=True)
    with made.connect() as connection, connection.begin():
        schema.bring_up_to_date(connection)
        assert schema.revision(connection) == schema.known_revisions()[-1]
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_a_newer_schema_is_refused(tmp_path: Path):
    made = engine(tmp_path / "x.db", writes=True)
    with made.connect() as connection, connection.begin():
        schema.bring_up_to_date(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(CannotStart, match="newer version"):
            schema.check(connection)
