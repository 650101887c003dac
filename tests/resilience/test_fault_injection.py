"""Everything on the path of a run fails once in a while: each run ends all the same.

Every write, read, publish and piece of a model raises at random, under load, on both databases.
Afterwards: every run has a true end, every thread is free, every stream has ended, nothing is
there twice. For a long read_rows, or the same one again (as far as threads allow):

    INJECTIONS=2000 .venv/bin/pytest -s tests/resilience/test_fault_injection.py
    SEED=4711 …
"""

import asyncio
import gc
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import APIError, AsyncOpenAI
from sqlalchemy import text

from tests.postgres import PostgresServer, migrated
from tests.resilience import invariants
from tests.resilience.faulty import Faults
from tests.resilience.journal import ENDED
from tests.resilience.talk import WEATHER, Talk
from tests.running import KEY, Running, running
from xiaozhi.chat_models.scripted import Hangs, Line, Scripted
from xiaozhi.runs import watchdog
from xiaozhi.store import Connection

CHANCE = 0.04
CLIENTS = 8
EXPIRES_AFTER = 5  # s
# Until what nobody moves is believed to be so, and is put right at the second attempt
ENDS_WITHIN = EXPIRES_AFTER + 2 * (watchdog.BELIEVED_AFTER + 2 * watchdog.LOOKS_EVERY) + 5.0
# The watchdog's own reads and writes fail as well.
CANCELLED_WITHIN = watchdog.BELIEVED_AFTER + 5 * watchdog.LOOKS_EVERY + 3.0
HANGS = "hang"
FAILED = (APIError, httpx2.TransportError)


class Clients:
    """`streams`: how those ended that were listened to. `longest`: s until an end was there."""

    def __init__(self, url: str, faults: Faults, injections: int, seed: str) -> None:
        self._client = AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=ENDS_WITHIN)
        self._faults = faults
        self._injections = injections
        self._random = random.Random(f"{seed}/clients")
        self._assistant = ""
        self.streams: Counter[str] = Counter()
        self.longest = {"run": 0.0, "cancel": 0.0}

    async def run(self) -> None:
        await self._until_made()
        await asyncio.gather(*(self._talk(number) for number in range(CLIENTS)))
        await self._client.close()

    async def _until_made(self) -> None:
        while not self._assistant:
            try:
                made = await self._client.beta.assistants.create(model="scripted", tools=[WEATHER])
                self._assistant = made.id
            except FAILED:
                continue

    async def _talk(self, number: int) -> None:
        count = 0
        while self._faults.injected.total() < self._injections:
            count += 1
            story = self._random.choice(
                [self._plain, self._streamed, self._calls, self._cancelled, self._deleted]
                + [self._expiring] * (count % 8 == 0)
            )
            try:
                await story(f"#{number:x}a{count:x}")
            except FAILED:
                # What was lost is looked for in the end.
                await asyncio.sleep(0.01)

    async def _asked(self, words: str) -> str:
        """The id of a thread in which this is asked."""
        thread = await self._client.beta.threads.create(
            messages=[{"role": "user", "content": words}]
        )
        return thread.id

    async def _begun(self, thread_id: str) -> Any:
        return await self._client.beta.threads.runs.create(
            thread_id=thread_id, assistant_id=self._assistant
        )

    async def _ended(self, run: Any) -> Any:
        began = time.monotonic()
        deadline = began + ENDS_WITHIN
        while run.status not in (*ENDED, "requires_action"):
            assert time.monotonic() < deadline, f"no end: {run}"
            await asyncio.sleep(0.1)
            try:
                run = await self._client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
            except FAILED:
                continue
        self.longest["run"] = max(self.longest["run"], time.monotonic() - began)
        return run

    async def _plain(self, marker: str) -> None:
        thread_id = await self._asked(f"{marker} say 3")
        await self._ended(await self._begun(thread_id))
        # And once more in the same thread
        await self._client.beta.threads.messages.create(
            thread_id, role="user", content=f"{marker}f say 2"
        )
        await self._ended(await self._begun(thread_id))

    async def _streamed(self, marker: str) -> None:
        await self._listen(await self._asked(f"{marker} say 12"))

    async def _listen(self, thread_id: str) -> None:
        stream = await self._client.beta.threads.runs.create(
            thread_id=thread_id, assistant_id=self._assistant, stream=True
        )
        last = "nothing"
        try:
            # A stream that says nothing more for as long breaks the test: ReadTimeout.
            async for event in stream:
                last = event.event
        except APIError:
            last = "error"
        self.streams[last] += 1

    async def _calls(self, marker: str) -> None:
        thread_id = await self._asked(f"{marker} weather")
        run = await self._ended(await self._begun(thread_id))
        if run.status == "requires_action":
            calls = run.required_action.submit_tool_outputs.tool_calls
            outputs: Any = [{"tool_call_id": call.id, "output": "rain"} for call in calls]
            run = await self._client.beta.threads.runs.submit_tool_outputs(
                run.id, thread_id=thread_id, tool_outputs=outputs
            )
            await self._ended(run)

    async def _cancelled(self, marker: str) -> None:
        what = self._random.choice(["slowly 20", "weather"])
        run = await self._begun(await self._asked(f"{marker} {what}"))
        await asyncio.sleep(self._random.uniform(0, 0.5))
        cancelled = await self._client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        began = time.monotonic()
        ended = await self._ended(cancelled)
        # Its time may have been over in the same moment.
        assert ended.status in ("cancelled", "expired"), ended
        took = time.monotonic() - began
        self.longest["cancel"] = max(self.longest["cancel"], took)
        assert took < CANCELLED_WITHIN, "a cancel ends within seconds"

    async def _deleted(self, marker: str) -> None:
        run = await self._begun(await self._asked(f"{marker} slowly 9"))
        await asyncio.sleep(self._random.uniform(0, 0.3))
        await self._client.beta.threads.delete(run.thread_id)

    async def _expiring(self, marker: str) -> None:
        """Nobody brings its outputs, or the model never answers."""
        what = self._random.choice([f"{marker} weather", HANGS])
        await self._listen(await self._asked(what))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_run_ends_whatever_fails(
    tmp_path: Path,
    database: str,
    seed: str,
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
):
    injections = int(os.environ.get("INJECTIONS", 400 if pytestconfig.getoption("--deep") else 40))
    faults, talk = Faults(seed, chance=0.0), Talk()
    settings: dict[str, Any] = {"run_expires_after": EXPIRES_AFTER}
    if database == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        settings["database"] = migrated(postgres.create_database())

    def reply(body: Any) -> Line:
        hangs = any(message["content"] == HANGS for message in body["messages"])
        return Hangs() if hangs else talk.reply(body)

    with (
        Scripted(otherwise=reply).served() as url,
        running(tmp_path, model_url=url, parts=faults.parts(), **settings) as server,
    ):
        clients = Clients(server.url, faults, injections, seed)
        faults.chance = CHANCE
        asyncio.run(clients.run())
        faults.chance = 0.0
        left_for = _until_all_have_ended(server)
        told = server.on_the_loop(lambda: server.rooms.store.read(read_rows))
    told |= {
        "injections": faults.injected.total(),
        "longest_run_s": round(clients.longest["run"], 1),
        "longest_cancel_s": round(clients.longest["cancel"], 1),
        "last_end_after_s": round(left_for, 1),
        "streams": dict(clients.streams),
        "where": dict(faults.injected),
    }
    print(", ".join(f"{name}: {value}" for name, value in told.items()))
    for name, value in told.items():
        record_property(name, value)
    assert clients.streams.keys() <= {
        *(f"thread.run.{status}" for status in (*ENDED, "requires_action")),
        "error",
    }
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert "Exception in callback" not in caplog.text


def _until_all_have_ended(server: Running) -> float:
    """How many s that took, from when nothing failed any more."""
    began = time.monotonic()
    while True:
        left = server.on_the_loop(lambda: server.rooms.store.read(_unfinished))
        if not left:
            return time.monotonic() - began
        assert time.monotonic() - began < ENDS_WITHIN, f"no end: {left}"
        time.sleep(0.2)


def _unfinished(connection: Connection) -> list[str]:
    ended = ", ".join(f"'{status}'" for status in ENDED)
    query = f"SELECT body FROM runs WHERE status NOT IN ({ended})"
    return list(connection.execute(text(query)).scalars())


def read_rows(connection: Connection) -> dict[str, Any]:
    """What was there in the end. Raises AssertionError where rows contradict each other."""
    invariants.nothing_contradicts_itself(connection)
    assert (
        connection.execute(text("SELECT id FROM threads WHERE active_run IS NOT NULL")).all() == []
    )
    statuses = connection.execute(text("SELECT status FROM runs")).scalars().all()
    return {"runs": len(statuses), "ends": dict(Counter(statuses))}
