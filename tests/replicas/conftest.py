"""Two servers on one Postgres, which share their key as replicas do."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from openai import OpenAI
from openai.types.beta import Assistant

from tests.postgres import PostgresServer, migrated
from tests.running import Running, running
from xiaozhi.chat_models.scripted import Scripted


class Replicas(NamedTuple):
    here: Running
    there: Running


class Clients(NamedTuple):
    """`here` and `there`: the same API, at each of the two."""

    here: OpenAI
    there: OpenAI


@pytest.fixture(scope="session")
def database(postgres: PostgresServer) -> str:
    return migrated(postgres.create_database())


@pytest.fixture(scope="session")
def replicas(
    database: str,
    model_server: tuple[Scripted, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replicas]:
    folders = [tmp_path_factory.mktemp("replica") for _ in range(2)]
    settings: dict[str, Any] = {"model_url": model_server[1], "database": database}
    with running(folders[0], **settings) as here, running(folders[1], **settings) as there:
        yield Replicas(here, there)


@pytest.fixture
def clients(replicas: Replicas, model: Scripted) -> Iterator[Clients]:
    with replicas.here.client() as here, replicas.there.client() as there:
        yield Clients(here, there)


@pytest.fixture
def assistant(clients: Clients) -> Assistant:
    return clients.there.beta.assistants.create(model="scripted", instructions="Be brief.")
