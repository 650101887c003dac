"""What does the server add to a stream, and what does it cost, with 1 to 256 streams at a time?

Answers of 200 tokens. The same scripted model, in a process of its own, is asked directly and
through the API (a run in a thread), in turn, so that what the server adds is a difference. Two
kinds of models: one that has 20 ms between its tokens, as real ones have, with streams that begin
spread over a second; and one that says everything at once, asked by everybody in one instant.
The clients are this process; the cores are shared, so each one's CPU stands beside it. Expected on
an idle machine with paced tokens: at most 5 ms added with one stream, every stream complete, at
most 20 ms of CPU a run; at least 400 requests/s that create threads and messages.

    .venv/bin/python -m benchmarks.load [--postgres] [--replicas N [N …]] [--against REVISION]
                                        [--database URL] [--only PART [PART …]]

SQLite is always there; --postgres measures in turn with it a Postgres of the benchmark's own,
--database one that is running, with N replicas each. What Postgres itself takes is not among the
server's CPU but stands beside it.

2026-11-25, 2 idle cores, Python 3.11; SQLite, Postgres, and Postgres with 2 replicas. Paced: added
to the first token with 1 stream 4.7, 7.0 and 7.8 ms (4 runs each), with 64 5.6, 8.2 and 7.2; CPU a
run with 64 27, 30 + 5 of Postgres, and 33 + 5 ms, with 256 19, 21 + 4 and 25 + 5, when all cores
are taken and a first token waits for 0.2, 1.1 and 0.5 s; 256 of 256 complete on each. Creation:
1,300 to 1,400, 900 and 1,100 requests/s. Ready in 1.3, 1.6 and 1.6 s; idle 113, 126 and 126 MB.
Everything at once (2 busy cores): 512 of 512 complete on each with 256 streams.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks.connection import Connection, Streamed
from benchmarks.processes import checkout, free_port, migrate, process, server, wait_for
from tests.postgres import PostgresServer, postgres_server

TOKENS = 200
PAUSE = 0.02  # s between tokens
SPREAD = 1.0  # s over which paced streams begin
ROUNDS_PACED = {1: 4, 16: 2, 64: 2, 256: 1}  # by streams
ROUNDS_AT_ONCE = {1: 60, 16: 8, 64: 3, 256: 2}
PATIENCE = 60.0  # s until a stream counts as lost
CREATORS = 16
CREATING = 4.0  # s
STARTS = 3
OPEN_STREAMS = 256
SLOW = 5.0  # s between the tokens of streams whose memory is measured

CHAT: dict[str, Any] = {
    "model": "scripted",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [{"role": "user", "content": "hello"}],
}


def cpu(processes: Sequence[psutil.Process]) -> float:
    """S, user and system."""
    return sum(sum(found.cpu_times()[:2]) for found in processes)


def cpu_of_postgres(postmaster: psutil.Process | None) -> float:
    """S, of all its processes that live now: each connection has one."""
    return cpu([postmaster, *postmaster.children()]) if postmaster else 0.0


def memory(processes: Sequence[psutil.Process]) -> float:
    """MB of the resident sets."""
    return sum(found.memory_info().rss for found in processes) / 2**20


@dataclass(frozen=True)
class Model:
    """The peer: what it takes without us."""

    ports: Sequence[int]
    processes: Sequence[psutil.Process]
    name: str = "directly"
    postmaster: psutil.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/v1"

    async def prepare(self, _streams: int) -> None:
        """Nothing: a chat completion needs no thread."""

    def ask(self, connection: Connection, _number: int) -> Coroutine[Any, Any, Streamed]:
        return connection.stream("/v1/chat/completions", CHAT, b'"content"', b'"word "')


@dataclass
class Server:
    """`ports`: one for each replica. `postmaster`: of the Postgres that it is on, if it is ours.

    `ready`: s that each replica took to start.
    """

    name: str
    ports: Sequence[int]
    processes: Sequence[psutil.Process]
    ready: float
    postmaster: psutil.Process | None = None
    _assistant: str = ""
    _threads: list[str] = field(default_factory=list[str])

    async def prepare(self, streams: int) -> None:
        """A thread with a message for each of the streams."""
        connection = await Connection.open(self.ports[0])
        if not self._assistant:
            made = await connection.answer("POST", "/v1/assistants", {"model": "scripted"})
            self._assistant = made["id"]
        said = {"messages": [{"role": "user", "content": "hello"}]}
        made = [await connection.answer("POST", "/v1/threads", said) for _ in range(streams)]
        self._threads = [thread["id"] for thread in made]
        connection.close()

    def ask(self, connection: Connection, number: int) -> Coroutine[Any, Any, Streamed]:
        path = f"/v1/threads/{self._threads[number]}/runs"
        body = {"assistant_id": self._assistant, "stream": True}
        return connection.stream(path, body, b"thread.message.delta", b"word ")


Target = Model | Server


async def opened(target: Target, count: int) -> list[Connection]:
    """Connections, spread over the replicas."""
    ports = [target.ports[number % len(target.ports)] for number in range(count)]
    return await asyncio.gather(*map(Connection.open, ports))


@dataclass
class Sum:
    """Of all rounds. CPU and `took` in s."""

    asked: int = 0
    firsts: list[float] = field(default_factory=list[float])
    complete: int = 0
    own: float = 0.0
    postgres: float = 0.0
    models: float = 0.0
    clients: float = 0.0
    took: float = 0.0

    def median(self) -> float:
        return statistics.median(self.firsts) * 1000 if self.firsts else float("nan")

    def line(self, directly: "Sum") -> str:
        if not self.firsts:
            return f"0 of {self.asked} complete"
        p95 = sorted(self.firsts)[int(len(self.firsts) * 0.95)] * 1000
        median = self.median()
        added = median - directly.median()
        spent = (self.own, self.postgres, self.models, self.clients)
        busy = sum(spent) / self.took
        each = "".join(f"{second / self.asked * 1000:9.1f}" for second in spent)
        return (
            f"{median:8.1f} {p95:8.1f} {added:+8.1f} {median / directly.median():6.1f}×"
            f" {self.complete:5} of {self.asked:<5}{each}{busy:9.2f}"
        )


HEAD = (
    f"{'streams':>8} {'asked':16} {'p50':>8} {'p95':>8} {'added':>8} {'ratio':>7} {'complete':>14}"
    f"{'server':>9}{'postgres':>9}{'model':>9}{'clients':>9}{'cores':>9}"
)


async def one_round(target: Target, model: Model, streams: int, spread: float, sum_: Sum) -> None:
    """`streams` at a time, each on a connection that is open already, added to `sum_`."""
    await target.prepare(streams)
    connections = await opened(target, streams)
    # Ours ends each word in the last event once more; the peer's words are counted with their
    # quotes
    words = TOKENS if isinstance(target, Model) else 2 * TOKENS

    async def stream(number: int, connection: Connection) -> None:
        await asyncio.sleep(spread * number / streams)
        try:
            found = await asyncio.wait_for(target.ask(connection, number), PATIENCE)
        except (ConnectionError, TimeoutError):
            return
        sum_.firsts.append(found.first)
        sum_.complete += found.words == words

    own: Sequence[psutil.Process] = [] if isinstance(target, Model) else target.processes
    clients = [psutil.Process(os.getpid())]
    postgres = target.postmaster
    before = cpu(own), cpu_of_postgres(postgres), cpu(model.processes), cpu(clients)
    began = time.perf_counter()
    await asyncio.gather(*(stream(*each) for each in enumerate(connections)))
    sum_.took += time.perf_counter() - began
    sum_.asked += streams
    sum_.own += cpu(own) - before[0]
    sum_.postgres += cpu_of_postgres(postgres) - before[1]
    sum_.models += cpu(model.processes) - before[2]
    sum_.clients += cpu(clients) - before[3]
    for connection in connections:
        connection.close()


async def streams(
    title: str, model: Model, servers: Sequence[Server], rounds: dict[int, int], spread: float
) -> None:
    print(f"\n{title}: first token in ms, CPU in ms a run\n{HEAD}")
    targets: list[Target] = [model, *servers]
    for target in targets:
        await one_round(target, model, 4, 0.0, Sum())  # warm
    for count, times in rounds.items():
        sums = {target.name: Sum() for target in targets}
        for _ in range(times):
            for target in targets:
                await one_round(target, model, count, spread, sums[target.name])
        for name, found in sums.items():
            print(f"{count:8} {name:16} {found.line(sums['directly'])}", flush=True)


async def creation(model: Model, servers: Sequence[Server]) -> None:
    """Threads and messages, in turn, by 16 clients; the peer answers from memory."""
    print(
        f"\ncreation by {CREATORS} clients\n{'':21} requests/s  CPU in ms a request:"
        f" server postgres clients"
    )
    for target in [model, *servers] * 2:
        clients = [psutil.Process(os.getpid())]
        connections = await opened(target, CREATORS)
        before = cpu(target.processes), cpu_of_postgres(target.postmaster), cpu(clients)
        began = time.perf_counter()
        count = sum(await asyncio.gather(*(_create(target, each, began) for each in connections)))
        took = time.perf_counter() - began
        after = cpu(target.processes), cpu_of_postgres(target.postmaster), cpu(clients)
        what = "the model's list" if isinstance(target, Model) else target.name
        spent = (then - now for then, now in zip(after, before, strict=True))
        each = "".join(f"{second / count * 1000:9.2f}" for second in spent)
        print(f"{what:21} {count / took:8.0f} {'':18}{each}", flush=True)
        for connection in connections:
            connection.close()


async def _create(target: Target, connection: Connection, began: float) -> int:
    """How many requests one client made."""
    count = 0
    while time.perf_counter() - began < CREATING:
        if isinstance(target, Model):
            await connection.answer("GET", "/v1/models")
            count += 1
            continue
        thread = await connection.answer("POST", "/v1/threads", {})
        said = {"role": "user", "content": "How long is the coast of Norway?"}
        await connection.answer("POST", f"/v1/threads/{thread['id']}/messages", said)
        count += 2
    return count


async def open_streams(servers: Sequence[Server]) -> None:
    """Memory for each stream that has had its first token and waits for the next."""
    for target in servers:
        await target.prepare(OPEN_STREAMS)
        await asyncio.sleep(1)
        before = memory(target.processes)
        connections = await opened(target, OPEN_STREAMS)
        asking = [
            asyncio.ensure_future(target.ask(connection, number))
            for number, connection in enumerate(connections)
        ]
        await asyncio.sleep(1.9 * SLOW)
        each = (memory(target.processes) - before) / OPEN_STREAMS * 1024
        print(f"\n{each:.0f} KB for each of {OPEN_STREAMS} open streams, {target.name}")
        for connection in connections:
            connection.close()
        await asyncio.gather(*asking, return_exceptions=True)


@dataclass(frozen=True)
class Setup:
    """One of the things that are compared. `postgres`: where it makes a database of its own."""

    name: str
    replicas: int = 1
    code: Path | None = None
    database: str | None = None
    postgres: PostgresServer | None = None

    def started(self, model: Model, stack: ExitStack, data: Path | None = None) -> Server:
        """Its replicas, on one database; SQLite in the folder `data`, or in a new one."""
        database = self.postgres.create_database() if self.postgres else self.database
        if database:
            migrate(database, code=self.code)
        options = ["--no-ui", *(["--database", database] if database else [])]
        ports = [free_port() for _ in range(self.replicas)]
        began = time.monotonic()
        started = [
            stack.enter_context(server(port, model.url, *options, data=data, code=self.code))
            for port in ports
        ]
        ready = (time.monotonic() - began) / self.replicas
        processes = [psutil.Process(each.pid) for each in started]
        postmaster = psutil.Process(self.postgres.pid) if self.postgres else None
        return Server(self.name, ports, processes, ready, postmaster)


def setups(given: argparse.Namespace, stack: ExitStack) -> list[Setup]:
    codes: dict[str, Path | None] = {"": None}
    if given.against:
        codes[f" {given.against[:8]}"] = stack.enter_context(checkout(given.against))
    postgres = stack.enter_context(postgres_server()) if given.postgres else None
    found = [Setup(f"SQLite{name}", code=code) for name, code in codes.items()]
    counts: list[int] = given.replicas if given.postgres or given.database else []
    for replicas in counts:
        found += [
            Setup(f"Postgres {replicas}{name}", replicas, code, given.database, postgres)
            for name, code in codes.items()
        ]
    return found


def spoken(stack: ExitStack, pause: float) -> Model:
    """The scripted model, `pause` s before each token."""
    port = free_port()
    words = ["--port", str(port), "--words", str(TOKENS), "--pause", str(pause)]
    own = stack.enter_context(process("xiaozhi.chat_models.scripted", *words))
    model = Model([port], [psutil.Process(own.pid)])
    wait_for(f"{model.url}/models")
    return model


def at_rest(setups: Sequence[Setup], model: Model, whole: ExitStack) -> None:
    """Without any load: start-up and memory. But for the first start, which makes the database."""
    for setup in setups:
        ready: list[float] = []
        idle: list[float] = []
        folder = Path(whole.enter_context(tempfile.TemporaryDirectory()))
        for _ in range(STARTS + 1):
            with ExitStack() as stack:
                ours = setup.started(model, stack, folder)
                ready.append(ours.ready)
                time.sleep(1)
                idle.append(memory(ours.processes) / setup.replicas)
        took, size = statistics.median(ready[1:]), statistics.median(idle[1:])
        print(f"{setup.name:21} ready in {took:.2f} s; idle {size:.0f} MB", flush=True)


PARTS = ("rest", "creation", "at-once", "paced", "open")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="also on one of our own")
    parser.add_argument("--database", metavar="URL", help="also on this Postgres")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1], help="on one database")
    parser.add_argument("--against", metavar="REVISION", help="measured in turn with the present")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="of what follows")
    given = parser.parse_args()
    with ExitStack() as whole:
        compared = setups(given, whole)
        with ExitStack() as stack:
            model = spoken(stack, 0.0)
            if "rest" in given.only:
                at_rest(compared, model, stack)
            servers = [setup.started(model, stack) for setup in compared]
            if "creation" in given.only:
                uvloop.run(creation(model, servers))
            if "at-once" in given.only:
                title = "everything at once, asked in one instant"
                uvloop.run(streams(title, model, servers, ROUNDS_AT_ONCE, 0.0))
        if "paced" in given.only:
            with ExitStack() as stack:
                model = spoken(stack, PAUSE)
                servers = [setup.started(model, stack) for setup in compared]
                title = f"{PAUSE * 1000:.0f} ms between tokens, asked within {SPREAD:.0f} s"
                uvloop.run(streams(title, model, servers, ROUNDS_PACED, SPREAD))
        if "open" in given.only:
            with ExitStack() as stack:
                model = spoken(stack, SLOW)
                servers = [setup.started(model, stack) for setup in compared]
                uvloop.run(open_streams(servers))


if __name__ == "__main__":
    main()
