"""Which schema the database has, and bringing it up to the one that this code knows.

A revision is a file `migrations/versions/NNNN_what.py`. Alembic is only imported where something is
to be done: it costs half a second.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from xiaozhi.errors import CannotStart

MIGRATIONS = Path(__file__).parent / "migrations"


def known_revisions() -> list[str]:
    """Oldest first."""
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
            "Update this program, or point --data to another folder.",
            found=found,
            known=known[-1],
        )


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
