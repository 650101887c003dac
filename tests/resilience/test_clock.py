"""The clock jumps by an hour, as after a sleep, or where somebody sets it right.

libfaketime (Debian: faketime) shows the server a clock of our own. The time that passes
(CLOCK_MONOTONIC) goes on, as it does on a machine whose clock is set.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.process.processes import Process, started
from tests.resilience import invariants
from tests.resilience.careful import Careful
from tests.resilience.load import Load
from tests.resilience.talk import WEATHER, Talk, answer_to
from xiaozhi.chat_models.scripted import Scripted
from xiaozhi.runs.expiry import LOOKS_EVERY

CLIENTS = 6
HOUR = 3600
LASTS = 2.0  # s under load until the next jump
RETRY = {"x-stainless-retry-count": "1"}


class Clock:
    """`environment`: for a process that is to see it."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "offset"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Its cure for an old glibc makes each wait for Python's lock a busy one.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set(self, ahead: int) -> None:
        """`ahead`: s before the real time; negative: behind it."""
        # Never half-written: it is read with each look at the clock.
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+d}\n")
        new.replace(self._file)


@dataclass
class Timed:
    server: Process
    clock: Clock
    client: OpenAI

    def said(self, words: str) -> Run:
        """A run that answers `words`, in a thread of its own."""
        beta = self.client.beta
        assistant = beta.assistants.create(model="scripted", tools=[WEATHER])
        thread: Any = {"messages": [{"role": "user", "content": words}]}
        return beta.threads.create_and_run(assistant_id=assistant.id, thread=thread)

    def ended(self, run: Run) -> Run:
        return self.client.beta.threads.runs.poll(
            run.id, thread_id=run.thread_id, poll_interval_ms=50
        )

    def is_free(self, run: Run) -> bool:
        """Whether the thread of `run` takes a message and another run."""
        beta = self.client.beta
        beta.threads.messages.create(run.thread_id, role="user", content="#2 say 1")
        again = beta.threads.runs.create_and_poll(
            thread_id=run.thread_id, assistant_id=run.assistant_id, poll_interval_ms=50
        )
        newest = next(iter(beta.threads.messages.list(run.thread_id)))
        [part] = newest.content
        return (
            again.status == "completed"
            and part.type == "text"
            and part.text.value == answer_to("#2 say 1")
        )


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Timed]:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.fail("libfaketime is missing: ./test installs it (Debian: faketime)")
    folder = tmp_path_factory.mktemp("timed")
    clock = Clock(library, folder)
    with (
        Scripted(otherwise=Talk().reply).served() as url,
        started(
            folder / "data", "--no-ui", "--model-url", url, port=0, **clock.environment
        ) as server,
        server.client() as client,
    ):
        yield Timed(server, clock, client)


@pytest.fixture(autouse=True)
def right_at_first(timed: Timed) -> None:
    timed.clock.set(0)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_run_under_way_comes_to_its_end(timed: Timed, jump: int):
    run = timed.said("#1 slowly 20")
    time.sleep(0.5)
    timed.clock.set(jump)
    assert timed.ended(run).status == "completed"
    assert timed.is_free(run)


def test_a_run_that_waits_for_its_client_waits_on_after_a_jump_back(timed: Timed):
    run = timed.ended(timed.said("#1 weather"))
    timed.clock.set(-HOUR)
    time.sleep(LOOKS_EVERY + 1)
    run = timed.ended(run)
    assert run.required_action
    [call] = run.required_action.submit_tool_outputs.tool_calls
    run = timed.client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "18 °C"}],
        poll_interval_ms=50,
    )
    assert run.status == "completed"
    assert timed.is_free(run)


def test_a_run_that_waits_for_its_client_has_expired_when_the_hour_has_passed(timed: Timed):
    """Its client has slept as long: it can begin anew, at once and not ten minutes later."""
    run = timed.ended(timed.said("#1 weather"))
    assert run.status == "requires_action"
    timed.clock.set(HOUR)
    time.sleep(LOOKS_EVERY + 1)
    assert timed.ended(run).status == "expired"
    assert timed.is_free(run)


def test_lists_and_repeats_follow_the_order_of_what_happened(timed: Timed):
    messages = timed.client.beta.threads.messages
    thread = timed.client.beta.threads.create()
    made: list[str] = []
    for number, ahead in enumerate((0, HOUR, -HOUR, 0)):
        timed.clock.set(ahead)
        words = f"number {number}"
        message = messages.create(thread.id, role="user", content=words)
        again = messages.create(thread.id, role="user", content=words, extra_headers=RETRY)
        assert again.id == message.id
        made.append(message.id)
    assert [message.id for message in messages.list(thread.id, order="asc", limit=1)] == made
    assert [message.id for message in messages.list(thread.id, limit=3)] == made[::-1]
    # Sent when the clock was an hour ahead of what it is now
    timed.clock.set(-HOUR)
    again = messages.create(thread.id, role="user", content="number 3", extra_headers=RETRY)
    assert again.id == made[3]


def test_jumps_under_load_lose_nothing(timed: Timed, seed: str):
    load = Load([timed.server.url], clients=CLIENTS, seed=seed, may_end=("completed", "expired"))

    async def story() -> None:
        await load.prepare()
        talking = asyncio.create_task(load.run())
        for ahead in (0, HOUR, 0, -HOUR, HOUR):
            timed.clock.set(ahead)
            await asyncio.wait([talking], timeout=LASTS)
        load.stopping = True
        await talking
        caller = Careful([timed.server.url])
        try:
            await invariants.all_stands(caller, load.journal)
        finally:
            await caller.close()

    asyncio.run(story())
    expired = [run.words for run in load.journal.runs if run.told[-1] == "expired"]
    print(f"{len(load.journal.runs)} runs, expired: {expired}")
    # Whoever was given its outputs, or began, an hour late: most were under way.
    assert len(expired) < len(load.journal.runs) / 2
