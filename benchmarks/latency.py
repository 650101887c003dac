"""How long do the calls of the API take, with 1, 16 and 64 clients at a time?

Scripted model, SQLite on disk, full durability; clients, model and server share the machine. With
a revision, that earlier state is measured in the same run, in turn:

    .venv/bin/python -m benchmarks.latency [--against REVISION]

2026-11-24, 2 idle cores, Python 3.11, p50 / p95 in ms at 1 and at 64 clients: an assistant 1.1 /
1.3 and 26 / 37, a message 1.3 / 1.6 and 55 / 218, 100 messages of 10,000 1.2 / 1.2 and 68 / 185, a
run's first event 4.1 / 5.5 and 223 / 352.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import aiohttp

from benchmarks.processes import KEY, checkout, scripted_model, server

CLIENTS = (1, 16, 64)
CALLS = 320  # of each kind, by all clients together
LONG = 10_000  # messages
HEADERS = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "assistants=v2"}


class Caller:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self.assistant = self.thread = self.long = ""

    async def prepare(self) -> None:
        body = {"model": "scripted", "instructions": "Be brief."}
        self.assistant = (await self.post("/assistants", body))["id"]
        self.thread = (await self.post("/threads", {}))["id"]
        said = [{"role": "user", "content": f"message {number}"} for number in range(LONG)]
        self.long = (await self.post("/threads", {"messages": said}))["id"]

    async def post(self, path: str, body: object) -> dict[str, str]:
        async with self._session.post(self._url + path, json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def create_assistant(self) -> None:
        await self.post("/assistants", {"model": "scripted", "instructions": "Be brief."})

    async def create_message(self) -> None:
        await self.post(f"/threads/{self.thread}/messages", {"role": "user", "content": "hello"})

    async def list_messages(self) -> None:
        path = f"/threads/{self.long}/messages?limit=100"
        async with self._session.get(self._url + path) as response:
            assert len(json.loads(await response.read())["data"]) == 100

    async def first_event(self) -> None:
        """Of a run in a thread of its own; the rest of the run is not waited for."""
        body = {"assistant_id": self.assistant, "stream": True}
        async with self._session.post(f"{self._url}/threads/runs", json=body) as response:
            await response.content.readuntil(b"thread.run.created")


async def measured(call: Callable[[], Awaitable[None]], clients: int) -> list[float]:
    """Ms of each call, sorted."""
    took: list[float] = []

    async def client() -> None:
        for _ in range(CALLS // clients):
            began = time.perf_counter()
            await call()
            took.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(client() for _ in range(clients)))
    return sorted(took)


async def compare(ports: dict[str, int]) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:
        callers = {
            name: Caller(f"http://127.0.0.1:{port}/v1", session) for name, port in ports.items()
        }
        for caller in callers.values():
            await caller.prepare()
        for call in ("create_assistant", "create_message", "list_messages", "first_event"):
            for clients in CLIENTS:
                for name, caller in callers.items():
                    doing = getattr(caller, call)
                    await measured(doing, clients)  # warm
                    took = await measured(doing, clients)
                    median, p95 = statistics.median(took), took[int(len(took) * 0.95) - 1]
                    what = f"{call.replace('_', ' ')}, {clients} clients"
                    print(f"{what:30} {name:10} p50 {median:7.2f} ms   p95 {p95:7.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="REVISION")
    revision = parser.parse_args().against
    with ExitStack() as stack:
        model = stack.enter_context(scripted_model(9040, words=5))
        stack.enter_context(server(9041, model, "--no-ui"))
        ports = {"now": 9041}
        if revision:
            code = stack.enter_context(checkout(revision))
            stack.enter_context(server(9042, model, "--no-ui", code=code))
            ports[revision[:10]] = 9042
        asyncio.run(compare(ports))


if __name__ == "__main__":
    main()
