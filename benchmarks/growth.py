"""Does anything get slower when there are more threads?

10, 1,000 and 100,000 threads with 4 messages each (on disk, full durability), asked over HTTP, one
request at a time: medians in ms. `rare`: a search for what 5 threads say; `common`: for what all of
them say. Ready: s until the server is, with 10,000 runs that have ended in the largest database.
Expected: no figure that grows, but for the common word on SQLite, whose hits are all looked at
(docs/decisions/0007-search.md).

    .venv/bin/python -m benchmarks.growth [--postgres] [--database URL]

On SQLite, or on a Postgres of the benchmark's own, or on one that is running (an empty database).

2026-11-25, 2 busy cores (loads of 2 to 4; to be measured again when idle), Python 3.11, with 10 and
with 100,000 threads. SQLite: a thread 1.2 and 1.0 ms, a message 1.6 and 1.5, first page of threads
1.4 and 1.2, a rare word 1.8 and 1.7, the common one 1.8 and 147, a run to its first token 5.0 and
5.4, ready in 2.6 and 3.0 s. Postgres: a thread 1.4 and 1.9, a message 3.1 and 2.0, first page 1.8
and 1.7, a rare word 2.8 and 2.4, the common one 3.2 and 3.3 (18.5 with 1,000 threads), a run 6.0
and 4.9, ready in 2.9 and 3.5 s.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import uvloop
from sqlalchemy import Connection as Database
from sqlalchemy import Table, func, insert, select, text

from benchmarks.connection import Connection
from benchmarks.processes import free_port, migrate, scripted_model, server
from tests.postgres import postgres_server
from xiaozhi import assistants, threads
from xiaozhi.ids import new_id
from xiaozhi.requests import CreateAssistant, CreateMessage, CreateRun, CreateThread
from xiaozhi.runs.lifecycle import moved
from xiaozhi.runs.new_run import new_run
from xiaozhi.store import (
    Work,
    postgres,
    schema,
    search_postgres,
    search_sqlite,
    sqlite_opening,
    tables,
    written,
)
from xiaozhi.tokens import of_message

SIZES = (10, 1_000, 100_000)  # threads
ENDED_RUNS = 10_000  # in the largest database
IN_ONE_GO = 5_000  # threads that one transaction fills in
CALLS = 60
WARM_UP = 5
MADE_AT = 1_760_000_000  # Unix s
RARE, COMMON = "Trondheim", "coast"
SAID = (
    "How long is the coast of Norway?",
    "About a hundred thousand kilometres.",
    "And the coast of Chile?",
    "Eighty thousand kilometres.",
)
RARELY_SAID = ("Where is Trondheim?", *SAID[1:])

# The next row that the server adds comes behind those that were numbered here.
CONTINUED = "SELECT setval(pg_get_serial_sequence('{table}', 'seq'), max(seq)) FROM {table}"

ADD_TO_SQLITE = "INSERT INTO search (rowid, grams) VALUES (:rowid, :grams)"

Row = dict[str, Any]
Fill = Callable[[Work[None]], None]  # does it in a transaction of its own


class Filling:
    """Rows as the store writes them, thousands in one statement: one by one takes minutes.

    A template is made by the store's own functions; in each copy only the ids differ.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_postgres = database.dialect.name == "postgresql"
        self._thread = threads.new_thread(CreateThread(), MADE_AT)

    def add_threads(self, how_many: int, said: Sequence[str]) -> None:
        first_thread, first_message = self._next(tables.threads), self._next(tables.messages)
        texts = [CreateMessage(role="user", content=text) for text in said]
        made = [threads.new_message(self._thread.id, text, MADE_AT) for text in texts]
        templates = [(written(message), message.id, of_message(message)) for message in made]
        cut = search_postgres.cut_up if self._is_postgres else _cut_for_sqlite
        cuts = [cut(text) for text in said]
        new_threads: list[Row] = []
        new_messages: list[Row] = []
        found: list[Row] = []
        numbers = count(first_message)
        for thread_seq in range(first_thread, first_thread + how_many):
            thread_id = new_id("thread_")
            body = written(self._thread).replace(self._thread.id, thread_id)
            row = {"seq": thread_seq, "id": thread_id, "body": body}
            new_threads.append(row | {"last_activity_at": MADE_AT + thread_seq})
            for (body, id, tokens), cut in zip(templates, cuts, strict=True):
                seq, message_id = next(numbers), new_id("msg_")
                body = body.replace(self._thread.id, thread_id).replace(id, message_id)
                row = {"seq": seq, "id": message_id, "body": body, "thread_id": thread_id}
                new_messages.append(row | {"tokens": tokens})
                found.append({**self._place(thread_seq, seq), **cut})
        self._database.execute(insert(tables.threads), new_threads)
        self._database.execute(insert(tables.messages), new_messages)
        if self._is_postgres:
            self._database.execute(insert(search_postgres.search), found)
            for table in ("threads", "messages"):
                self._database.execute(text(CONTINUED.format(table=table)))
        else:
            self._database.execute(text(ADD_TO_SQLITE), found)

    def _place(self, thread: int, message: int) -> Row:
        if self._is_postgres:
            return {"thread": thread, "message": message}
        return {"rowid": thread << search_sqlite.MESSAGE_BITS | message}

    def add_ended_runs(self, how_many: int) -> None:
        """Each in a thread of its own."""
        assistant = assistants.new_assistant(CreateAssistant(model="scripted"), MADE_AT)
        request = CreateRun(assistant_id=assistant.id)
        run = new_run("run_x", "thread_x", assistant, request, model="scripted", at=MADE_AT)
        run = moved(moved(run, "in_progress", MADE_AT), "completed", MADE_AT)
        ids = self._database.execute(select(tables.threads.c.id).limit(how_many)).scalars()
        rows: list[Row] = []
        for thread_id in ids:
            run_id = new_id("run_")
            body = written(run).replace("run_x", run_id).replace("thread_x", thread_id)
            held: Row = {"owner": "proc_x", "epoch": 0, "segment": 0, "expires_at": MADE_AT}
            row: Row = {"id": run_id, "thread_id": thread_id, "status": "completed", "body": body}
            rows.append(row | held)
        self._database.execute(insert(tables.runs), rows)

    def _next(self, table: Table) -> int:
        return (self._database.execute(select(func.max(table.c.seq))).scalar() or 0) + 1


def _cut_for_sqlite(text: str) -> Row:
    return {"grams": search_sqlite.cut_up(text)}


def on_sqlite(path: Path) -> Fill:
    def run(work: Work[None]) -> None:
        with sqlite_opening.engine(path, writes=True).connect() as database, database.begin():
            work(database)

    run(schema.bring_up_to_date)
    return run


def on_postgres(address: str) -> Fill:
    async def once(work: Work[None]) -> None:
        engine = postgres.engine(address)
        async with engine.begin() as database:
            await database.run_sync(work)
        await engine.dispose()

    migrate(address)
    return lambda work: asyncio.run(once(work))


def fill(run: Fill, already: int, wanted: int) -> None:
    """Up to `wanted` threads; `already` so many are there."""
    if not already:
        run(lambda database: Filling(database).add_threads(5, RARELY_SAID))
        already = 5
    while already < wanted:
        more = min(IN_ONE_GO, wanted - already)
        run(partial(add_threads, how_many=more))
        already += more
    if wanted == SIZES[-1]:
        run(lambda database: Filling(database).add_ended_runs(ENDED_RUNS))
    # As Postgres does it by itself, a minute later
    run(lambda database: database.execute(text("ANALYZE")) and None)


def add_threads(database: Database, how_many: int) -> None:
    Filling(database).add_threads(how_many, SAID)


async def medians(port: int) -> dict[str, float]:
    """Ms of each call."""
    connection = await Connection.open(port)

    async def post(path: str, body: object) -> dict[str, Any]:
        return await connection.answer("POST", f"/v1{path}", body)

    def getting(path: str) -> Callable[[], Awaitable[object]]:
        return lambda: connection.answer("GET", f"/v1{path}")

    assistant = (await post("/assistants", {"model": "scripted"}))["id"]
    said = {"role": "user", "content": "hello"}
    thread = (await post("/threads", {"messages": [said] * 100}))["id"]
    firsts: list[float] = []

    async def run() -> None:
        body = {"assistant_id": assistant, "stream": True}
        of_its_own = (await post("/threads", {"messages": [said]}))["id"]
        path = f"/v1/threads/{of_its_own}/runs"
        found = await connection.stream(path, body, b"thread.message.delta", b"word ")
        firsts.append(found.first * 1000)

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create a thread": lambda: post("/threads", {}),
        "create a message": lambda: post(f"/threads/{thread}/messages", said),
        "list 100 messages": getting(f"/threads/{thread}/messages?limit=100"),
        "first page of threads": getting("/threads"),
        "search, rare": getting(f"/threads?q={RARE}"),
        "search, common": getting(f"/threads?q={COMMON}"),
    }
    found = {name: await median(call) for name, call in calls.items()}
    await median(run)
    found["run to its first token"] = statistics.median(firsts[WARM_UP:])
    connection.close()
    return found


async def median(call: Callable[[], Awaitable[object]]) -> float:
    took: list[float] = []
    for _ in range(WARM_UP + CALLS):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[WARM_UP:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="on one of our own")
    parser.add_argument("--database", metavar="URL", help="on this Postgres")
    given = parser.parse_args()
    table: dict[str, list[float]] = {}
    with ExitStack() as stack:
        model = stack.enter_context(scripted_model(free_port(), words=5))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = given.database
        if given.postgres:
            address = stack.enter_context(postgres_server()).create_database()
        run = on_postgres(address) if address else on_sqlite(folder / "xiaozhi.db")
        options = ["--no-ui", *(["--database", address] if address else [])]
        for already, wanted in zip((0, *SIZES), SIZES, strict=False):
            began = time.perf_counter()
            fill(run, already, wanted)
            print(f"{wanted} threads, filled in {time.perf_counter() - began:.0f} s", flush=True)
            port, began = free_port(), time.perf_counter()
            with server(port, model, *options, data=folder) as started:
                found = {"ready, s": time.perf_counter() - began, **uvloop.run(medians(port))}
                found["memory, MB"] = psutil.Process(started.pid).memory_info().rss / 2**20
            for name, value in found.items():
                table.setdefault(name, []).append(value)
    print(f"{'threads':24}" + "".join(f"{size:10,}" for size in SIZES) + "   last / first")
    for name, values in table.items():
        figures = "".join(f"{value:10.2f}" for value in values)
        print(f"{name:24}{figures}   {values[-1] / values[0]:.1f}×")


if __name__ == "__main__":
    main()
