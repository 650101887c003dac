"""The head of a request has bounds, before any key is looked at: bytes, headers, seconds."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import psutil
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from xiaozhi.http_protocol import LARGEST_HEAD, MOST_HEADERS, BoundedProtocol

OK = b"HTTP/1.1 200 OK"
LINE = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
PLENTY = 40 * 2**20  # bytes that somebody sends without end


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request's Host, after as many seconds as its path says, and its body."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(float(scope["path"][1:] or 0))
    hosts = b", ".join(value for name, value in scope["headers"] if name == b"host")
    headers = [(b"content-length", b"%d" % len(hosts))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": hosts})


class Quick(BoundedProtocol):
    head_within = 0.5
    most_waiting = 20
    young = 0.0


@contextmanager
def served(protocol: type[BoundedProtocol] = BoundedProtocol) -> Generator[int]:
    """Its port."""
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, loop="asyncio")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=[[listening]], daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def ask(port: int, *pieces: bytes) -> bytes:
    """All that is answered."""
    with connected(port) as connection:
        # The server may have answered, and closed, before it was sent everything.
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return received


def trickle(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def test_what_is_usual_is_taken():
    cookies = b"Cookie: " + b"x" * (LARGEST_HEAD - 1000) + b"\r\n"
    many = b"".join(b"X-%d: y\r\n" % number for number in range(MOST_HEADERS - 3))
    end = b"Connection: close\r\n\r\n"
    with served() as port:
        for head in (LINE + cookies + end, LINE + many + end):
            assert ask(port, head).startswith(OK)
            # In pieces, as a slow network brings them
            assert ask(port, *(head[at : at + 5000] for at in range(0, len(head), 5000)))[:15] == OK


@pytest.mark.parametrize(
    "head",
    [
        LINE + b"Cookie: " + b"x" * LARGEST_HEAD + b"\r\n\r\n",
        b"GET /" + b"x" * LARGEST_HEAD + b" HTTP/1.1\r\n\r\n",
        LINE + b"X: y\r\n" * MOST_HEADERS + b"\r\n",
        LINE + b"".join(b"X-%d: %b\r\n" % (at, b"y" * 9000) for at in range(10)) + b"\r\n",
    ],
    ids=["one long header", "a long address", "many headers", "many long headers"],
)
def test_a_head_that_is_too_large_is_refused(head: bytes):
    with served() as port:
        for pieces in ([head], [head[at : at + 9999] for at in range(0, len(head), 9999)]):
            answer = ask(port, *pieces)
            assert answer.startswith(b"HTTP/1.1 431 ")
            assert b'{"error": {"message": "The head of a request may have 100 headers' in answer


@pytest.mark.parametrize(
    ("begin", "more"),
    [(LINE + b"X: ", b"y"), (LINE, b"X: " + b"y" * 61 + b"\r\n"), (b"GET /", b"z")],
    ids=["one header", "many headers", "the address"],
)
def test_a_head_without_end_costs_no_memory(begin: bytes, more: bytes):
    piece = more * (2**20 // len(more))
    with served() as port, connected(port) as connection:
        ask(port, LINE + b"Connection: close\r\n\r\n")
        before = psutil.Process().memory_info().rss
        connection.sendall(begin)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < PLENTY:
                connection.sendall(piece)
                sent += len(piece)
        # What the system's own buffers hold
        assert sent < PLENTY / 2
        assert psutil.Process().memory_info().rss - before < PLENTY / 4


def test_a_slow_head_is_given_up():
    with served(Quick) as port:
        with connected(port) as silent:
            assert rest(silent) == b""
        with connected(port) as slow:
            slow.sendall(b"GET / HT")
            assert rest(slow).startswith(b"HTTP/1.1 408 ")
        with connected(port) as again:
            # A byte now and then does not help, nor does a request before it.
            again.sendall(LINE + b"\r\n")
            assert again.recv(4096).startswith(OK)
            with pytest.raises(ConnectionError):
                trickle(again, LINE * 10)


def test_a_slow_answer_is_waited_for():
    with served(Quick) as port, connected(port) as connection:
        # With the beginning of the next request behind it
        connection.sendall(b"GET /1.2 HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT")
        assert connection.recv(4096).startswith(OK)


def test_a_slow_body_is_waited_for():
    with served(Quick) as port, connected(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na")
        time.sleep(2 * Quick.head_within)
        connection.sendall(b"b")
        assert connection.recv(4096).startswith(OK)


def test_those_that_wait_longest_make_room():
    class Patient(Quick):
        head_within = 60.0

    with served(Patient) as port, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connected(port)) for _ in range(3 * Quick.most_waiting)]
        assert ask(port, LINE + b"Connection: close\r\n\r\n").startswith(OK)
        for connection in waiting[: Quick.most_waiting]:
            assert rest(connection) == b""
        waiting[-1].sendall(LINE + b"\r\n")
        assert waiting[-1].recv(4096).startswith(OK)


@pytest.mark.parametrize("headers", [b"Host: localhost\r\n", b"", b"Host: a\r\nHost: b\r\n"])
def test_the_host_of_a_whole_address_counts(headers: bytes):
    end = headers + b"Connection: close\r\n\r\n"
    with served() as port:
        for host in (b"evil.example:80", b"evil.example", b"[::1]:8501"):
            answer = ask(port, b"GET http://%b/ HTTP/1.1\r\n" % host + end)
            assert answer.endswith(b"\r\n\r\n" + host)
