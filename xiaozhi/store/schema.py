"""Which schema the database has, and bringing it up to the one that this code knows.

A revision is a file `migrations/versions/NNNN_what.py`. Alembic is only imported where something is
to be done: it costs half a second.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from xiaozhi.errors import CannotStart

# Held until the transaction ends. The number is this program's own.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7864101)")

MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def known_revisions() -> list[str]:
    """Oldest first. Reads a folder, once."""
    return sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision(connection: Connection) -> str | None:
    """The revision that the database has; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check(connection: Connection) -> None:
    """Raises CannotStart where the database was written by a newer version; changes nothing."""
    found, known = revision(connection), known_revisions()
    if found is not None and found not in known:
        raise CannotStart(
            "The data was written by a newer version of this program (schema {found}; "
            "this version knows up to {known}). Nothing was changed.",
            "Update this program, or choose another database.",
            found=found,
            known=known[-1],
        )


def must_be_up_to_date(connection: Connection) -> None:
    """Raises CannotStart where the database has another schema; changes nothing."""
    check(connection)
    found, newest = revision(connection), known_revisions()[-1]
    if found is None:
        raise CannotStart(
            "The database is empty.", "Run `xiaozhi migrate` once, with the same database."
        )
    if found != newest:
        raise CannotStart(
            "The database has an older schema ({found}) than this version needs ({newest}).",
            "Run `xiaozhi migrate` once, with the same database.",
            found=found,
            newest=newest,
        )


def migrate_alone(connection: Connection) -> None:
    """Bring it up to date on Postgres, where somebody else may be about to do the same.

    Raises CannotStart where the database was written by a newer version.
    """
    connection.execute(_ONE_AT_A_TIME)
    check(connection)
    bring_up_to_date(connection)


def bring_up_to_date(connection: Connection) -> None:
    if revision(connection) != known_revisions()[-1]:
        upgrade(connection)


def upgrade(connection: Connection, to: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
