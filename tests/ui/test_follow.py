"""What a process hears of runs, without a browser: texts that grow, and whom it goes on to hear."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import OpenAI
from openai.types.beta.threads import Run

from tests.running import until
from xiaozhi.ui.follow import KEPT, followed
from xiaozhi.ui.growing_text import GrowingText
from xiaozhi.ui.thinking import DELTA, Thinking

PIECES, PIECE = 100_000, "forty characters that a model has said. "


@contextmanager
def server_with_one_run() -> Iterator[OpenAI]:
    """The events of `run_long` go on until the end of the test; no other run is there."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = "run_long" in self.path
            self.send_response(200 if is_there else 404)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            if is_there:
                ended.wait(60)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        # Not closed: the followers use it for a moment longer.
        yield OpenAI(base_url=url, api_key="any", max_retries=0)
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def run_called(id: str) -> Run:
    return Run.model_construct(id=id, thread_id="thread_1", status="in_progress")


def test_a_run_that_goes_on_is_not_forgotten_for_many_that_have_ended():
    with server_with_one_run() as client:
        running = followed(client, run_called("run_long"))
        others = [followed(client, run_called(f"run_{number}")) for number in range(KEPT)]
        until(lambda: all(other.ended for other in others))
        newest = followed(client, run_called("run_newest"))
        assert followed(client, run_called("run_long")) is running
        assert followed(client, run_called("run_newest")) is newest
        # Of those that have ended the oldest one is.
        assert followed(client, run_called("run_1")) is others[1]
        assert followed(client, run_called("run_0")) is not others[0]


def test_a_piece_costs_its_own_length():
    """A copy of all with each piece would be 200 GB."""
    text, thinking = GrowingText(), Thinking()
    began = time.process_time()
    for _number in range(PIECES):
        text.add(PIECE)
        thinking.take(DELTA, {"delta": {"text": PIECE}})
    assert time.process_time() - began < 5
    assert str(text) == thinking.text == PIECE * PIECES
    assert len(text) == PIECES * len(PIECE)


def test_line_ends_stay_as_they_came():
    text = GrowingText()
    for piece in ("a\r", "\nb\n", "c\r\n"):
        text.add(piece)
    assert str(text) == "a\r\nb\nc\r\n"
