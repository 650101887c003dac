"""The store on Postgres: each unit of work is a transaction on a connection of the pool.

Units of several processes run side by side, so whatever reads a row in order to change it locks it
first (`Collection.locked`, `run_rows`). Where the database is away for a moment, or two units stand
in each other's way, a unit is run again: it is a plain function, and nothing of it was kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolIsEmpty
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from xiaozhi.errors import CannotStart, InDoubt, Unavailable
from xiaozhi.store import schema
from xiaozhi.store.store import Result, Work

CONNECTIONS = 16  # of one process
CONNECTED_WITHIN = 5  # s
ANSWERED_WITHIN = 30  # s, for one statement
# s between the tries of a unit of work; in all, longer than a restart of Postgres takes
PAUSES = (0.02, 0.1, 0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0)

WAYS = 5  # tries more, where others stand in the way: beyond that it is no coincidence

# What another transaction did meanwhile is seen in the next try: serialization_failure,
# deadlock_detected, unique_violation, foreign_key_violation
IN_THE_WAY = ("40001", "40P01", "23505", "23503")
# The connection broke or was refused; shutting down, crashed, starting up, out of connections
# (Postgres, appendix A; 08 is a whole class)
AWAY = ("08", "57P01", "57P02", "57P03", "53300")
# It is there, but cannot do its work, and an operator has to see to it: resources (a full disk),
# system errors, damage (whole classes); read-only after a failover; the database or the login gone
BROKEN = ("53", "58", "XX001", "XX002", "25006", "28", "3D000")
# The last one: asyncpg's state, where the server ends a connection in the midst of a statement
LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
CANNOT_CONNECT = (*LOST, ValueError)  # the last one: an address that cannot be read

_SETTINGS = {
    "application_name": "xiaozhi",
    # A process that hangs or is cut off lets go of its locks within seconds
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60000",  # ms
}

_IS_STANDBY = text("SELECT pg_is_in_recovery()")

log = logging.getLogger(__name__)


class _Away(Exception):
    """The database cannot be reached now; nothing was changed."""


class _InTheWay(Exception):
    """Another transaction was quicker; nothing was changed. `cause`: what the driver says."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(words(cause))
        self.cause = cause


async def connect(address: str) -> "asyncpg.Connection[Any]":
    """`address`: postgresql://…, with all that libpq knows (sslmode, several hosts, sockets).

    Raises one of CANNOT_CONNECT.
    """
    return await asyncpg.connect(
        address,
        timeout=CONNECTED_WITHIN,
        command_timeout=ANSWERED_WITHIN,
        server_settings=_SETTINGS,
    )


class Postgres:
    @classmethod
    async def open(cls, address: str) -> "Postgres":
        """Open the database, whose schema must be the one that this code knows.

        Raises CannotStart where it is another one, and where the database cannot be reached.
        """
        made = engine(address)
        await asyncio.to_thread(schema.known_revisions)
        try:
            await _at_start(made, schema.must_be_up_to_date)
        except CannotStart:
            await made.dispose()
            raise
        return cls(made)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, work: Work[Result]) -> Result:
        return await _tried(self._read, work)

    async def write(self, work: Work[Result]) -> Result:
        return await _tried(self._write, work)

    def trouble(self) -> str | None:
        """Others may be using it, and each unit of work finds out for itself."""
        return None

    async def check(self) -> None:
        try:
            is_read_only = await self._read(lambda connection: connection.scalar(_IS_STANDBY))
        except _Away as error:
            raise _unavailable(error) from error
        if is_read_only:
            raise Unavailable("The database cannot be written: it is a standby, read-only.")

    async def close(self) -> None:
        await self._engine.dispose()

    async def _read(self, work: Work[Result]) -> Result:
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                return await connection.run_sync(work)
        except (SQLAlchemyError, *LOST) as error:
            raise _said(error) from error

    async def _write(self, work: Work[Result]) -> Result:
        committing = False
        try:
            async with self._engine.connect() as connection:
                result = await connection.run_sync(work)
                committing = True
                await connection.commit()
                return result
        except (SQLAlchemyError, *LOST) as error:
            said = _said(error)
            if committing and isinstance(said, _Away):
                # It may have been kept: only the caller knows what doing it again would do.
                raise InDoubt(_unavailable(said).message) from error
            raise said from error


async def migrate(address: str) -> str:
    """Bring the schema up to the one that this code knows; its revision.

    Several at a time do no harm. Raises CannotStart.
    """
    made = engine(address)
    try:
        await _at_start(made, schema.migrate_alone)
    finally:
        await made.dispose()
    return schema.known_revisions()[-1]


def engine(address: str) -> AsyncEngine:
    """Connections as the store uses them."""
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(address),
        pool_size=CONNECTIONS,
        max_overflow=0,
        # What people have said must not stand in the words of an error.
        hide_parameters=True,
        # The others may be closed by whoever thinks that they are idle.
        pool_use_lifo=True,
    )


async def _at_start(engine: AsyncEngine, work: Work[None]) -> None:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(work)
    except (SQLAlchemyError, *CANNOT_CONNECT) as error:
        raise CannotStart(
            "The Postgres database cannot be used: {words}.",
            "Check that it is running, and the address in --database.",
            words=words(error),
        ) from error


async def _tried(once: Callable[[Work[Result]], Awaitable[Result]], work: Work[Result]) -> Result:
    """Raises Unavailable, and whatever `work` raises."""
    for number, pause in enumerate((*PAUSES, None)):
        try:
            return await once(work)
        except _InTheWay as error:
            if number == WAYS or pause is None:
                raise error.cause from None
            await asyncio.sleep(pause)
        except _Away as error:
            if pause is None:
                raise _unavailable(error) from error
            log.warning("the database is away; tried again in %s s: %s", pause, error)
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _said(error: BaseException) -> BaseException:
    """What `error` says about trying again; itself, where it says nothing."""
    if isinstance(error, PoolIsEmpty):
        return Unavailable("The database has more to do than it can. Please try again.")
    code = _code(error)
    if code in IN_THE_WAY:
        return _InTheWay(error)
    if code is not None and code.startswith(BROKEN) and not code.startswith(AWAY):
        log.error("the database cannot do its work: %s", words(error))
        return Unavailable(f"The database cannot be used now: {words(error)}.")
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    is_lost = is_lost or isinstance(_driver_error(error), asyncpg.InternalClientError)
    is_away = code is not None and code.startswith(AWAY)
    if is_lost or is_away or not isinstance(error, SQLAlchemyError):
        return _Away(words(error))
    return error


def _code(error: BaseException) -> str | None:
    """SQLSTATE."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)


def _driver_error(error: BaseException) -> BaseException | None:
    """The one that asyncpg raised."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "__cause__", None) or cause


def words(error: BaseException) -> str:
    """Without the statement and its values: they are what people have said."""
    driver = _driver_error(error)
    return str(driver).splitlines()[0].rstrip(".") if str(driver) else type(driver).__name__


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"The database cannot be reached now: {error}.")
