"""`xiaozhi migrate`, and servers that find another schema than theirs."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from tests.postgres import PostgresServer, migrated
from tests.process.processes import command, run, started
from xiaozhi.chat_models.scripted import Scripted
from xiaozhi.store.schema import known_revisions

NEWEST = known_revisions()[-1]


def migrate(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command("migrate"), *flags], capture_output=True, text=True, timeout=60)


def refusal(address: str, data: Path) -> str:
    """What a server says that does not start."""
    flags = ["--database", address, "--data", str(data), "--no-ui"]
    refused = run("--port", "0", "--model-url", "http://127.0.0.1:9/v1", *flags)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    return refused.stderr


def execute(address: str, sql: str) -> None:
    async def live() -> None:
        admin = await asyncpg.connect(address)
        await admin.execute(sql)
        await admin.close()

    asyncio.run(live())


def test_an_empty_database_is_migrated_once_by_hand(
    postgres: PostgresServer, tmp_path: Path, model_server: tuple[Scripted, str]
):
    address = postgres.create_database()
    said = refusal(address, tmp_path)
    assert "The database is empty." in said
    assert "xiaozhi migrate" in said
    for _ in range(2):
        done = migrate("--database", address)
        assert done.returncode == 0
        assert f"The database is up to date (schema {NEWEST})." in done.stdout
    flags = ["--no-ui", "--model-url", model_server[1], "--database", address]
    with started(tmp_path, *flags) as server:
        assert server.client().beta.threads.create().id


def test_several_may_migrate_at_a_time(postgres: PostgresServer):
    address = postgres.create_database()
    several = [
        subprocess.Popen(
            [*command("migrate"), "--database", address], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for one in several:
        said, _ = one.communicate(timeout=60)
        assert (one.returncode, f"schema {NEWEST}" in said) == (0, True)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("0001", f"an older schema (0001) than this version needs ({NEWEST})"),
        ("9999", "written by a newer version of this program (schema 9999"),
    ],
)
def test_another_schema_is_refused(
    postgres: PostgresServer, tmp_path: Path, revision: str, words: str
):
    address = migrated(postgres.create_database())
    execute(address, f"UPDATE alembic_version SET version_num = '{revision}'")
    assert words in refusal(address, tmp_path)
    if revision == "9999":
        assert words in migrate("--database", address).stderr


def test_a_file_is_migrated_too(tmp_path: Path):
    for _ in range(2):
        done = migrate("--data", str(tmp_path))
        assert f"The database is up to date (schema {NEWEST})." in done.stdout
    assert (tmp_path / "xiaozhi.db").exists()


def test_an_address_that_cannot_be_right_is_told_so(tmp_path: Path):
    for address, words in (
        ("mysql://x", "it must begin with postgresql:// or sqlite:///"),
        ("postgresql://127.0.0.1:9/x", "The Postgres database cannot be used"),
    ):
        assert words in refusal(address, tmp_path)
        assert words in migrate("--database", address).stderr
