"""Killed at any moment: nothing accepted is lost or doubled, and everything goes on within seconds.

37 deaths under load (110 with --deep), then everything that any client was told is compared with
what is there: of one server on SQLite, of a replica on Postgres, and of Postgres itself; and
besides, a replica loses its connections, half of the time until the others have claimed its runs.
For a long look, or the same one again:

    KILLS=1000 .venv/bin/pytest -s tests/resilience/test_killed.py
    SEED=4711 …
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import Connection

from tests.postgres import PostgresServer, postgres_server
from tests.resilience import invariants
from tests.resilience.careful import Careful
from tests.resilience.killable import Killable, OneServer
from tests.resilience.load import Load
from tests.resilience.replicas import CutOffReplica, OneOfReplicas, PostgresBelow, replicas
from tests.resilience.talk import Talk
from xiaozhi.chat_models.scripted import Scripted

CLIENTS = 8
LIVES = (0.05, 1.2)  # s from when it answers until it is killed
LIVES_AMONG_OTHERS = (0.1, 2.5)
# s from when it could until a run that was under way is under way again, or over
GOES_ON_WITHIN = 10.0

Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Death:
    """Times are those of time.monotonic(). `unfinished`: runs that were under way."""

    at: float
    since: float
    answered_again_at: float
    unfinished: set[str]


class Kills(Protocol):
    def __call__(self, usually: int, *, deep: int) -> int:
        """How many there are: as the depth of the tests says, or as KILLS does."""
        ...


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> Kills:
    def count(usually: int, *, deep: int) -> int:
        number = deep if pytestconfig.getoption("--deep") else usually
        return int(os.environ.get("KILLS", number))

    return count


@pytest.mark.timeout(3600)
def test_one_server_goes_on_however_often_it_is_killed(
    one_server: OneServer, talk: Talk, kills: Kills, seed: str, record_property: Record
):
    told = story(one_server, talk, kills(15, deep=50), seed, LIVES, record_property)
    assert told["goes_on_after_s"] < GOES_ON_WITHIN


@pytest.mark.timeout(3600)
def test_replicas_go_on_however_often_one_is_killed(
    tmp_path: Path,
    postgres: PostgresServer,
    talk: Talk,
    kills: Kills,
    seed: str,
    record_property: Record,
):
    with (
        Scripted(otherwise=talk.reply).served() as url,
        replicas(tmp_path, postgres, url) as servers,
    ):
        killed = OneOfReplicas(servers, random.Random(f"{seed}/who"))
        told = story(killed, talk, kills(10, deep=30), seed, LIVES_AMONG_OTHERS, record_property)
    assert told["goes_on_after_s"] < GOES_ON_WITHIN


@pytest.mark.timeout(3600)
def test_replicas_go_on_however_often_postgres_is_killed(
    tmp_path: Path, talk: Talk, kills: Kills, seed: str, record_property: Record
):
    with (
        Scripted(otherwise=talk.reply).served() as url,
        postgres_server() as postgres,
        replicas(tmp_path, postgres, url, count=2) as servers,
    ):
        killed = PostgresBelow(servers, postgres, random.Random(f"{seed}/how"))
        told = story(killed, talk, kills(8, deep=20), seed, LIVES_AMONG_OTHERS, record_property)
    assert told["goes_on_after_s"] < GOES_ON_WITHIN


@pytest.mark.timeout(3600)
def test_replicas_go_on_however_often_one_is_cut_off(
    tmp_path: Path,
    postgres: PostgresServer,
    talk: Talk,
    kills: Kills,
    seed: str,
    record_property: Record,
):
    with (
        Scripted(otherwise=talk.reply).served() as url,
        replicas(tmp_path, postgres, url) as servers,
    ):
        killed = CutOffReplica(servers, random.Random(f"{seed}/who"))
        told = story(killed, talk, kills(4, deep=10), seed, LIVES_AMONG_OTHERS, record_property)
    assert told["goes_on_after_s"] < GOES_ON_WITHIN


def story(
    server: Killable,
    talk: Talk,
    kills: int,
    seed: str,
    lives: tuple[float, float],
    record: Record,
) -> dict[str, float]:
    """What was seen, longest times first. Raises AssertionError where something was lost.

    `lives`: s from when it answers until it is killed.
    """
    load = Load(server.addresses, clients=CLIENTS, seed=seed)
    deaths = asyncio.run(killed_under(load, server, kills, random.Random(seed), lives))
    asyncio.run(nothing_is_missing(load, server))
    going_on, ending = longest(deaths, load, talk)
    told = {
        "goes_on_after_s": round(going_on, 2),
        "ends_after_s": round(ending, 2),
        "answers_after_s": round(max(death.answered_again_at - death.since for death in deaths), 2),
        "kills": len(deaths),
        "threads": len(load.journal.threads),
        "messages": len(load.journal.messages),
        "runs": len(load.journal.runs),
        "runs_killed": sum(len(death.unfinished) for death in deaths),
        "requests_lost_beyond_retries": load.lost,
    }
    print(", ".join(f"{name}: {value}" for name, value in told.items()))
    for name, value in told.items():
        record(name, value)
    return told


async def killed_under(
    load: Load,
    server: Killable,
    kills: int,
    choice: random.Random,
    lives: tuple[float, float],
) -> list[Death]:
    """Each death under load, and what the dead has left looked at."""

    def look(left: Connection) -> set[str]:
        invariants.nothing_is_lost(left, load.journal)
        invariants.nothing_contradicts_itself(left)
        return server.killed_runs(left)

    await load.prepare()
    deaths: list[Death] = []
    talking = asyncio.create_task(load.run())
    for _ in range(kills):
        await asyncio.wait([talking], timeout=choice.uniform(*lives))
        if talking.done():
            break
        at = time.monotonic()
        # On this loop, as everything of ours: no client hears anything while we compare.
        server.kill()
        unfinished = server.look(look) if server.shows_what_it_left else None
        since = await asyncio.to_thread(server.start)
        answered_again_at = time.monotonic()
        if unfinished is None:
            unfinished = server.look(look)
        deaths.append(Death(at, since, answered_again_at, unfinished))
    load.stopping = True
    await talking
    return deaths


async def nothing_is_missing(load: Load, server: Killable) -> None:
    caller = Careful(server.addresses)
    try:
        await invariants.all_stands(caller, load.journal)
        # Runs that nobody has heard of end as well.
        await asyncio.sleep(1)
    finally:
        await caller.close()

    def look(left: Connection) -> None:
        invariants.nothing_is_lost(left, load.journal)
        invariants.nothing_contradicts_itself(left)
        invariants.nothing_waits(left)

    server.look(look)


def longest(deaths: list[Death], load: Load, talk: Talk) -> tuple[float, float]:
    """(s until a killed run went on, s until it ended), from when it could.

    Where another death came before, the run counts among those that this one has killed.
    """
    going_on = ending = 0.0
    runs = {run.id: run for run in load.journal.runs}
    for death, following in zip(deaths, [*deaths[1:], None], strict=True):
        until = following.at if following else float("inf")
        for run in (runs[id] for id in death.unfinished & runs.keys()):
            assert run.ended_at is not None
            asked = [at for at in talk.asked_at[run.words] if at > death.at]
            went_on = min([*asked, run.ended_at])
            if went_on < until:
                going_on = max(going_on, went_on - death.since)
            if run.ended_at < until:
                ending = max(ending, run.ended_at - death.since)
    return going_on, ending
