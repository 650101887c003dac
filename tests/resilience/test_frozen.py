"""A replica that gets no turn for a while is alive: its runs stay with it, and go on when it does.

As on a machine that swaps, or is moved to another one. Its connections live on in the kernel, and
so does the lock on its name; nobody takes its runs.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run
from sqlalchemy import Connection, text

from tests.postgres import PostgresServer
from tests.resilience.replicas import replicas
from tests.resilience.server import Server
from tests.resilience.talk import WEATHER, Talk, answer_to
from tests.running import KEY
from xiaozhi.chat_models.scripted import Scripted

FROZEN = 20.0  # s
GOES_ON_WITHIN = 5.0  # s from when it gets turns again until what it executed is over
WORDS = [f"#{number} slowly 30" for number in range(4)]


def client_of(server: Server) -> OpenAI:
    return OpenAI(base_url=server.address, api_key=KEY, max_retries=0)


def say(client: OpenAI, assistant_id: str, words: str) -> Run:
    """In a thread of its own."""
    thread: Any = {"messages": [{"role": "user", "content": words}]}
    return client.beta.threads.create_and_run(assistant_id=assistant_id, thread=thread)


def epochs(left: Connection) -> dict[str, int]:
    return {row.id: row.epoch for row in left.execute(text("SELECT id, epoch FROM runs"))}


@pytest.mark.timeout(120)
def test_the_runs_of_a_frozen_replica_stay_with_it(
    tmp_path: Path,
    postgres: PostgresServer,
    talk: Talk,
    record_property: Callable[[str, object], None],
):
    with (
        Scripted(otherwise=talk.reply).served() as url,
        replicas(tmp_path, postgres, url, count=2) as servers,
    ):
        frozen, other = servers.servers
        with client_of(frozen) as here, client_of(other) as there:
            assistant = there.beta.assistants.create(model="scripted", tools=[WEATHER])
            runs = [say(here, assistant.id, words) for words in WORDS]
            cancelled = say(here, assistant.id, "#c slowly 300")
            time.sleep(1)
            frozen.freeze()
            froze_at = time.monotonic()
            # The others go on, and hear of a wish that concerns it.
            asked = there.beta.threads.runs.cancel(cancelled.id, thread_id=cancelled.thread_id)
            assert asked.status == "cancelling"
            done = say(there, assistant.id, "#other say 3")
            assert ended(there, done).status == "completed"
            time.sleep(max(0.0, froze_at + FROZEN - time.monotonic()))
            assert set(servers.look(epochs).values()) == {0}, "somebody took its runs"
            frozen.thaw()
            thawed_at = time.monotonic()
            for run, words in zip(runs, WORDS, strict=True):
                assert ended(there, run).status == "completed"
                assert answer(there, run) == answer_to(words)
            assert ended(there, cancelled).status == "cancelled"
            took = time.monotonic() - thawed_at
    record_property("goes_on_after_s", round(took, 2))
    print(f"all over {took:.2f} s after it got turns again")
    assert took < GOES_ON_WITHIN
    assert all(len(asked_at) == 1 for asked_at in talk.asked_at.values()), "asked twice"


def answer(client: OpenAI, run: Run) -> str:
    [_, message] = client.beta.threads.messages.list(run.thread_id, order="asc").data
    [part] = message.content
    assert part.type == "text"
    return part.text.value


def ended(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=50)
