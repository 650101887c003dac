"""No request holds the event loop, whatever it brings or asks for: everybody else is served."""

import asyncio
import json
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.loop_lag import others_served
from tests.api.test_transport import HEADERS, ask
from tests.running import Running
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.request_limits import MESSAGES
from xiaozhi.requests import CreateMessage
from xiaozhi.store import Connection, tables, written
from xiaozhi.threads import new_message

PICTURE = "data:image/jpeg;base64," + "A" * 800_000
CHINESE = "".join(map(chr, range(0x4E00, 0x9FA0))) * 2
POLLED: Any = {"poll_interval_ms": 50}
BODIES = {
    "ten million items": (b'{"messages":[' + b"0," * 10_000_000 + b"0]}", 400),
    "many wrong items": (b'{"messages":[' + b"0," * 200_000 + b"0]}", 400),
    "many unknown keys": (b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}", 400),
    "a long string": (b'{"metadata":{"k":"' + b"x" * 30_000_000 + b'"}}', 400),
    "many line ends": (b'{"metadata":{"k":"' + b"\\n" * 15_000_000 + b'"}}', 400),
    "many messages": (
        json.dumps({"messages": [{"role": "user", "content": "你好" * 100}] * MESSAGES}).encode(),
        200,
    ),
    "long messages": (
        json.dumps({"messages": [{"role": "user", "content": "word " * 51_200}] * 8}).encode(),
        200,
    ),
    "a long Chinese message": (
        json.dumps({"messages": [{"role": "user", "content": CHINESE}]}).encode(),
        200,
    ),
    "no JSON": (b"[" * 30_000_000, 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_large_body(server: Running, name: str):
    body, status = BODIES[name]
    with others_served(server):
        assert ask(server, "/v1/threads", body).status == status


def test_pictures_come_and_go(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    """20 messages of 5 pictures: 80 MB, which the model gets, and a list shows."""
    body = json.dumps(
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}] * 5}
    ).encode()
    with others_served(server):
        for _ in range(20):
            assert ask(server, f"/v1/threads/{thread.id}/messages", body).status == 200
    with others_served(server):
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, **POLLED
        )
    assert run.status == "completed"
    sent = [said["content"] for said in model.requests[-1]["messages"][2:]]
    assert [len(parts) for parts in sent] == [5] * 20
    with others_served(server):
        answer = ask(server, f"/v1/threads/{thread.id}/messages?limit=100")
    assert answer.status == 200


def many_messages(thread: Thread, count: int) -> Any:
    """A unit of work that adds them to the thread, as quickly as a database can."""
    one = new_message(thread.id, CreateMessage(role="user", content="word " * 5), at=1)

    def work(connection: Connection) -> None:
        rows = [
            {
                "id": f"{one.id}{number}",
                "thread_id": thread.id,
                "tokens": 17,
                "body": written(one).replace(one.id, f"{one.id}{number}"),
            }
            for number in range(count)
        ]
        connection.execute(tables.messages.insert(), rows)

    return work


def test_a_run_in_a_thread_of_a_hundred_thousand_messages(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    for _ in range(10):
        work = many_messages(thread, 10_000)
        server.on_the_loop(lambda work=work: server.rooms.store.write(work))
    with others_served(server):
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, **POLLED
        )
    assert run.status == "completed"
    assert len(model.requests[-1]["messages"]) == 10_001, "the newest, and the instructions"


def test_many_listeners_of_one_talking_run(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(["word "] * 500, pause=0.01)]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    head = "\r\n".join(f"{name}: {value}" for name, value in HEADERS.items())
    path = f"/v1/threads/{thread.id}/runs/{run.id}/events"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n"

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(f"{request}Connection: close\r\n\r\n".encode())
        heard = await reader.read()
        writer.close()
        assert heard.startswith(b"HTTP/1.1 200"), heard[:500]
        assert b"data: [DONE]" in heard[-100:]
        return heard.count(b"word ")

    async def all_of_them() -> list[int]:
        # Not all in one go: what uvloop and uvicorn do before anybody has turns takes 0.4 ms each.
        listening: list[asyncio.Task[int]] = []
        for _ in range(4):
            opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(25)]
            listening += [asyncio.create_task(listen(*each)) for each in opened]
            await asyncio.sleep(0.05)
        return await asyncio.gather(*listening)

    with others_served(server):
        heard = asyncio.run(all_of_them())
    assert set(heard) == {1_000}, "each hears all, in pieces and in the end"
