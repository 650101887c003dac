"""A client that does not read costs no memory, holds up nobody, and misses nothing."""

import asyncio
import json
import socket
import time
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager

from openai import OpenAI
from openai._streaming import ServerSentEvent, SSEDecoder
from openai.types.beta import Assistant, Thread

from tests.api.test_run_events import followed, texts
from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Hangs, Says, Scripted
from xiaozhi.runs.answer import Answer

PIECES = [f"{number} " for number in range(20_000)]


class Reader:
    """Asks for a streamed run over a connection of its own, and reads when it is told to."""

    def __init__(self, server: Running, assistant: Assistant, thread: Thread) -> None:
        self._socket = socket.socket()
        # As small as it may be: what lies in the reader's own buffer has been sent.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(30)
        self._socket.connect(("127.0.0.1", server.port))
        body = json.dumps({"assistant_id": assistant.id, "stream": True}).encode()
        self._socket.sendall(
            b"POST /v1/threads/%s/runs HTTP/1.1\r\nHost: localhost\r\n"
            b"OpenAI-Beta: assistants=v2\r\n"
            b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (thread.id.encode(), KEY.encode(), len(body), body)
        )

    def all(self) -> list[ServerSentEvent]:
        """Everything, to the end of the stream."""
        with self._socket, self._socket.makefile("rb") as answer:
            while answer.readline().strip():
                pass
            chunks: list[bytes] = []
            while size := int(answer.readline(), 16):
                chunks.append(answer.read(size))
                answer.readline()
        return list(SSEDecoder().iter_bytes(iter(chunks)))


@contextmanager
def memory() -> Generator[list[int]]:
    """[bytes]: by how much the memory of the process grew inside, at its highest."""
    grew = [0]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield grew
        _, highest = tracemalloc.get_traced_memory()
        grew[0] = highest - before
    finally:
        tracemalloc.stop()


def test_a_reader_that_does_not_read_costs_nothing_and_misses_nothing(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    """20,000 pieces, told one by one, as by a model that is asked for hours."""
    model.script = [Hangs(30)]
    reader = Reader(server, assistant, thread)
    while not (runs := client.beta.threads.runs.list(thread.id).data):
        time.sleep(0.01)
    run = runs[0]
    told = Answer.new(run, 0, 1)

    async def tell() -> None:
        for piece in PIECES:
            server.rooms.events.publish_piece(run.id, *told.add(piece))
            await asyncio.sleep(0)

    with memory() as grew:
        server.on_the_loop(tell)
    # The pieces themselves, and what is not sent yet
    assert grew[0] < 20_000 * 120 + 2 * 65_536
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    assert texts(followed(client, run)) == "".join(PIECES)
    events = reader.all()
    assert texts(events) == "".join(PIECES)
    assert [event.event for event in events[-2:]] == ["thread.run.cancelled", "done"]
    deltas = [event for event in events if event.event == "thread.message.delta"]
    assert len(deltas) < 1_500, "what was not taken is joined"


def test_others_go_on_while_one_does_not_read(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says(PIECES), Says("one two three")]
    reader = Reader(server, assistant, thread)
    while not (runs := client.beta.threads.runs.list(thread.id).data):
        time.sleep(0.01)
    run = client.beta.threads.runs.poll(runs[0].id, thread_id=thread.id, poll_interval_ms=20)
    assert run.status == "completed"
    again = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    assert again.status == "completed"
    # Told from the start to one who comes late: a text is one event.
    late = followed(client, run)
    assert [event.event for event in late].count("thread.message.delta") == 1
    assert texts(late) == texts(reader.all()) == "".join(PIECES)
