"""What most tests start from: a scripted model over HTTP, the server before it, and the SDK."""

import gc
import logging
import os
import random
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread

from tests import depth
from tests.lanes import Lanes
from tests.lost_exceptions import Lost
from tests.postgres import PostgresServer, migrated, postgres_server
from tests.process.processes import close_clients
from tests.running import Running, running
from xiaozhi.chat_models.scripted import Scripted


def pytest_addoption(parser: pytest.Parser) -> None:
    depth.add_options(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    depth.select(config, items)


def pytest_xdist_setupnodes() -> None:
    """Workers must find the same tests, also where a test's name holds what a set prints."""
    os.environ.setdefault("PYTHONHASHSEED", str(random.randrange(2**32)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    return Lanes(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whoever is root can have all that a test needs: CI skips nothing unnoticed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.geteuid() == 0:
        report.outcome = "failed"
        report.longrepr = f"skipped, though nothing may be as root: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def nothing_from_outside(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("XIAOZHI_", "OPENAI_")):
            del os.environ[name]
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session", autouse=True)
def lost() -> Iterator[Lost]:
    """Exceptions in this process that nobody saw."""
    handler = Lost()
    logging.getLogger("asyncio").addHandler(handler)
    # What is here now stays: looking through it after each file would take most of a second.
    gc.collect()
    gc.freeze()
    yield handler
    logging.getLogger("asyncio").removeHandler(handler)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_lost_in_a_file(lost: Lost) -> Iterator[None]:
    yield
    close_clients()
    # A task tells of its exception when it goes; those in a circle go with the next collection.
    gc.collect()
    assert lost.taken() == []


@pytest.fixture(autouse=True)
def nothing_is_lost(lost: Lost) -> Iterator[None]:
    yield
    assert lost.taken() == []


@pytest.fixture(scope="session")
def model_server() -> Iterator[tuple[Scripted, str]]:
    model = Scripted()
    with model.served() as url:
        yield model, url


@pytest.fixture
def model(model_server: tuple[Scripted, str]) -> Scripted:
    model, _ = model_server
    model.script.clear()
    model.requests.clear()
    return model


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def server_on_sqlite(
    model_server: tuple[Scripted, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("data"), model_url=model_server[1]) as started:
        yield started


@pytest.fixture(scope="session")
def server_on_postgres(
    postgres: PostgresServer,
    model_server: tuple[Scripted, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    database = migrated(postgres.create_database())
    data = tmp_path_factory.mktemp("data")
    with running(data, model_url=model_server[1], database=database) as started:
        yield started


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Running:
    """One server for all tests that change no setting: they share its data, so they look by id.

    On each database. Both stay up: pytest-xdist runs file after file, each on both.
    """
    return request.getfixturevalue(f"server_on_{request.param}")


@pytest.fixture
def client(server: Running, model: Scripted) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    return client.beta.assistants.create(model="scripted", instructions="Be brief.")


@pytest.fixture
def thread(client: OpenAI) -> Thread:
    return client.beta.threads.create(messages=[{"role": "user", "content": "你好"}])
