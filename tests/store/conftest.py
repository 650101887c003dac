"""Both databases, each new and empty, for what must be the same on them."""

import asyncio
from pathlib import Path
from typing import Protocol

import pytest

from tests.postgres import PostgresServer
from xiaozhi.store import postgres, sqlite_opening
from xiaozhi.store.store import Result, Work


class Database(Protocol):
    def __call__(self, work: Work[Result]) -> Result:
        """Do `work` in a transaction of its own."""
        ...


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return on_sqlite(tmp_path / "x.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return _on_postgres(server.create_database())


def on_sqlite(path: Path) -> Database:
    def run(work: Work[Result]) -> Result:
        with sqlite_opening.engine(path, writes=True).connect() as connection, connection.begin():
            return work(connection)

    return run


def _on_postgres(address: str) -> Database:
    async def once(work: Work[Result]) -> Result:
        engine = postgres.engine(address)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    def run(work: Work[Result]) -> Result:
        return asyncio.run(once(work))

    return run
