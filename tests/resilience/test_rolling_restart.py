"""Three replicas behind deploy/'s balancer, each in turn stopped and started anew, under load.

As a rolling update does it. Nobody notices: no request fails beyond what the SDK's own two retries
hide, and what was under way on the one that stops goes on at another one.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.balancing import balanced, program
from tests.postgres import PostgresServer
from tests.resilience import invariants
from tests.resilience.careful import Careful
from tests.resilience.listener import Listener
from tests.resilience.load import Load
from tests.resilience.replicas import Replicas, replicas
from tests.resilience.talk import Talk
from xiaozhi.chat_models.scripted import Scripted

CLIENTS = 8
LISTENERS = 4
LENGTH = 60  # words, 6 s: longer than a server that stops gives them
STOP_WITHIN = 2  # s
ROUNDS = 2
GOES_WELL = 2.0  # s between two restarts
GOES_ON_WITHIN = 5.0  # s from when a stream was cut until the model was asked again


@pytest.mark.timeout(180)
def test_a_rolling_restart_under_load_is_noticed_by_nobody(
    tmp_path: Path,
    postgres: PostgresServer,
    talk: Talk,
    seed: str,
    record_property: Callable[[str, object], None],
):
    program()
    with (
        Scripted(otherwise=talk.reply).served() as url,
        replicas(tmp_path, postgres, url, stop_within=STOP_WITHIN) as servers,
        balanced(tmp_path, [server.port for server in servers.servers]) as balancer,
    ):
        address = f"{balancer}/v1"
        load = Load([address], clients=CLIENTS, seed=seed)
        listeners = [
            Listener(address, f"{seed}/listener/{number}", length=LENGTH)
            for number in range(LISTENERS)
        ]
        asyncio.run(restarted_under(load, listeners, servers))
        asyncio.run(all_stands(address, load))
        servers.look(invariants.nothing_contradicts_itself)
        servers.look(invariants.nothing_waits)
    cuts = [cut for listener in listeners for cut in listener.cuts]
    gaps = [talk.asked_at[cut.words][1] - cut.at for cut in cuts]
    told = {
        "restarts": ROUNDS * len(servers.servers),
        "runs": len(load.journal.runs),
        "long_runs": sum(listener.runs for listener in listeners),
        "streams_cut": len(cuts),
        "goes_on_after_s": round(max(gaps), 2),
        "requests_lost_beyond_retries": load.lost,
    }
    print(", ".join(f"{name}: {value}" for name, value in told.items()))
    for name, value in told.items():
        record_property(name, value)
    assert load.lost == 0
    assert told["goes_on_after_s"] < GOES_ON_WITHIN


async def restarted_under(load: Load, listeners: list[Listener], servers: Replicas) -> None:
    await load.prepare()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        for listener in listeners:
            group.create_task(listener.listen())
        for server in servers.servers * ROUNDS:
            await asyncio.sleep(GOES_WELL)
            await asyncio.to_thread(server.stop)
            server.begin()
            await asyncio.to_thread(server.wait_until_ready)
        load.stopping = True
        for listener in listeners:
            listener.stopping = True


async def all_stands(address: str, load: Load) -> None:
    caller = Careful([address])
    try:
        await invariants.all_stands(caller, load.journal)
    finally:
        await caller.close()
