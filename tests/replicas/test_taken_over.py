"""A run whose process lets go of it goes on at another one."""

import time
from pathlib import Path
from typing import Any

from openai.types.beta import Assistant

from tests.api.test_run_events import followed, texts
from tests.postgres import PostgresServer, migrated
from tests.replicas.conftest import Clients, Replicas
from tests.replicas.test_anywhere import SLOW, WEATHER, begun, listening, poll, said
from tests.running import running, until
from xiaozhi.chat_models.scripted import Calls, Says, Scripted
from xiaozhi.store import Connection, left_runs


def settings(replicas: Replicas, **more: Any) -> dict[str, Any]:
    """Of a third one beside the two."""
    chosen = replicas.here.settings
    return {"model_url": chosen.model_url, "database": chosen.database, **more}


def claim_for_the_other(replicas: Replicas) -> None:
    """As if a look of `there` had found `here` dead."""
    here, there = (one.rooms.runs.owner for one in replicas)
    store = replicas.there.rooms.store

    def claim(connection: Connection) -> None:
        left_runs.hand_over(connection, here, [])
        left_runs.claim_of(connection, there, None)

    replicas.there.on_the_loop(lambda: store.write(claim))


def test_what_one_leaves_when_it_stops_goes_on_at_once(
    clients: Clients, replicas: Replicas, model: Scripted, assistant: Assistant, tmp_path: Path
):
    model.script = [SLOW, Says("anew")]
    with running(tmp_path, **settings(replicas)) as third, third.client() as client:
        run = begun(client, assistant)
        until(lambda: len(said(client, run)) > 1 and said(client, run)[1])
    left = time.monotonic()
    assert poll(clients.here, run).status == "completed"
    # What is not handed over is found dead: for that, its connection has to be gone.
    assert time.monotonic() - left < 6
    assert said(clients.there, run) == ["hello", "anew"]


def test_a_run_that_waits_expires_though_its_process_is_gone(
    clients: Clients, replicas: Replicas, model: Scripted, assistant: Assistant, tmp_path: Path
):
    model.script = [Calls([("weather", "{}")])]
    with (
        running(tmp_path, **settings(replicas, run_expires_after=3)) as third,
        third.client() as client,
    ):
        run = poll(client, begun(client, assistant, tools=[WEATHER]))
        assert run.status == "requires_action"
    until(
        lambda: (
            clients.here.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id).status
            == "expired"
        )
    )
    clients.there.beta.threads.messages.create(run.thread_id, role="user", content="still here")


def test_who_has_lost_a_run_stops_to_execute_it(
    clients: Clients, replicas: Replicas, model: Scripted, assistant: Assistant
):
    model.script = [SLOW, Says("anew")]
    run = begun(clients.here, assistant)
    until(lambda: len(said(clients.there, run)) > 1)
    before = listening(clients.here, run)
    claim_for_the_other(replicas)
    assert before.result(30)[-2] == "error"
    assert poll(clients.there, run).status == "completed"
    assert said(clients.there, run) == ["hello", "anew"]
    for client in clients:
        assert texts(followed(client, run)) == "anew"
    assert not replicas.here.rooms.stop.under_way


def test_who_gets_a_run_back_that_it_still_executes_tells_it_once(
    model: Scripted, postgres: PostgresServer, model_server: tuple[Scripted, str], tmp_path: Path
):
    model.script = [Says("too late", think=3), Says(["anew "] * 10, pause=0.4)]
    database = migrated(postgres.create_database())
    with (
        running(tmp_path, model_url=model_server[1], database=database) as alone,
        alone.client() as client,
    ):
        run = begun(client, client.beta.assistants.create(model="scripted"))
        until(lambda: model.requests)
        rooms = alone.rooms
        # As if another one had found this process dead, had claimed the run, and died.
        alone.on_the_loop(
            lambda: rooms.store.write(lambda c: left_runs.hand_over(c, rooms.runs.owner, []))
        )
        assert poll(client, run).status == "completed"
        assert said(client, run) == ["hello", "anew " * 10]
        assert texts(followed(client, run)) == "anew " * 10


def test_who_still_executes_a_run_that_went_on_elsewhere_does_not_disturb_its_next_segment(
    clients: Clients, replicas: Replicas, model: Scripted, assistant: Assistant
):
    model.script = [Says("too late", think=3), Calls([("weather", "{}")]), Says(["18 "] * 10, 0.4)]
    run = begun(clients.here, assistant, tools=[WEATHER])
    until(lambda: model.requests)
    claim_for_the_other(replicas)
    run = poll(clients.there, run)
    assert run.required_action
    [call] = run.required_action.submit_tool_outputs.tool_calls
    outputs: list[Any] = [{"tool_call_id": call.id, "output": "18 °C"}]
    with clients.here.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    ) as stream:
        stream.until_done()
        assert stream.get_final_run().status == "completed"
    assert said(clients.there, run) == ["hello", "18 " * 10]


def test_a_look_that_fails_is_not_the_last_one(
    model: Scripted, postgres: PostgresServer, model_server: tuple[Scripted, str], tmp_path: Path
):
    model.script = [Says("too late", think=5), Says("anew")]
    database = migrated(postgres.create_database())
    with (
        running(tmp_path, model_url=model_server[1], database=database) as alone,
        alone.client() as client,
    ):
        rooms = alone.rooms

        def execute(sql: str) -> None:
            def work(connection: Connection) -> None:
                connection.exec_driver_sql(sql)

            alone.on_the_loop(lambda: rooms.store.write(work))

        execute("ALTER TABLE runs RENAME TO elsewhere")
        time.sleep(2.5)  # two looks at least
        execute("ALTER TABLE elsewhere RENAME TO runs")
        run = begun(client, client.beta.assistants.create(model="scripted"))
        until(lambda: model.requests)
        alone.on_the_loop(
            lambda: rooms.store.write(lambda c: left_runs.hand_over(c, rooms.runs.owner, []))
        )
        assert poll(client, run).status == "completed"
        assert said(client, run) == ["hello", "anew"]
