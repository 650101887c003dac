"""Killed at any moment: nothing accepted is lost or doubled, and everything goes on within seconds.

A hundred deaths under load, then everything that any client was told is compared with what is
there: 270 s on two cores that had four times as much else to do. For a long look, or the same one
again:

    KILLS=1000 .venv/bin/pytest -s tests/resilience/test_killed.py
    SEED=4711 …
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.resilience import invariants
from tests.resilience.careful import Careful
from tests.resilience.killable import Killable, OneServer
from tests.resilience.load import Load
from tests.resilience.talk import Talk

KILLS = 100
CLIENTS = 8
LIVES = (0.05, 1.2)  # s from when it answers until it is killed
# s from when the server is started again until a run that was under way is under way again, or over
GOES_ON_WITHIN = 10.0


@dataclass(frozen=True)
class Death:
    """Times are those of time.monotonic(). `unfinished`: runs that were under way."""

    at: float
    started_again_at: float
    answered_again_at: float
    unfinished: set[str]


@pytest.fixture
def kills() -> int:
    return int(os.environ.get("KILLS", KILLS))


@pytest.mark.timeout(3600)
def test_one_server_goes_on_however_often_it_is_killed(
    one_server: OneServer,
    talk: Talk,
    kills: int,
    seed: str,
    record_property: Callable[[str, object], None],
):
    told = story(one_server, talk, kills, seed)
    for name, value in told.items():
        record_property(name, value)
    assert told["goes_on_after_s"] < GOES_ON_WITHIN


def story(server: Killable, talk: Talk, kills: int, seed: str) -> dict[str, float]:
    """What was seen, longest times first. Raises AssertionError where something was lost."""
    load = Load(server.addresses, clients=CLIENTS, seed=seed)
    deaths = asyncio.run(killed_under(load, server, kills, random.Random(seed)))
    asyncio.run(nothing_is_missing(load, server))
    going_on, ending = longest(deaths, load, talk)
    told = {
        "goes_on_after_s": round(going_on, 2),
        "ends_after_s": round(ending, 2),
        "answers_after_s": round(
            max(death.answered_again_at - death.started_again_at for death in deaths), 2
        ),
        "kills": len(deaths),
        "threads": len(load.journal.threads),
        "messages": len(load.journal.messages),
        "runs": len(load.journal.runs),
        "runs_killed": sum(len(death.unfinished) for death in deaths),
        "requests_lost_beyond_retries": load.lost,
    }
    print(", ".join(f"{name}: {value}" for name, value in told.items()))
    return told


async def killed_under(
    load: Load, server: Killable, kills: int, choice: random.Random
) -> list[Death]:
    """Each death under load, and what the dead has left looked at."""
    await load.prepare()
    deaths: list[Death] = []
    talking = asyncio.create_task(load.run())
    for _ in range(kills):
        await asyncio.wait([talking], timeout=choice.uniform(*LIVES))
        if talking.done():
            break
        at = time.monotonic()
        # On this loop, as everything of ours: no client hears anything while we compare.
        server.kill()
        with server.left() as left:
            invariants.nothing_is_lost(left, load.journal)
            invariants.nothing_contradicts_itself(left)
            unfinished = invariants.unfinished(left)
        started = time.monotonic()
        await asyncio.to_thread(server.start)
        deaths.append(Death(at, started, time.monotonic(), unfinished))
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
    with server.left() as left:
        invariants.nothing_is_lost(left, load.journal)
        invariants.nothing_contradicts_itself(left)
        invariants.nothing_waits(left)


def longest(deaths: list[Death], load: Load, talk: Talk) -> tuple[float, float]:
    """(s until a killed run went on, s until it ended), from when the server was started again.

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
                going_on = max(going_on, went_on - death.started_again_at)
            if run.ended_at < until:
                ending = max(ending, run.ended_at - death.started_again_at)
    return going_on, ending
