"""Chat completions through the official SDK, passed on to the model's endpoint (contract 13)."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import (
    APIError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    RateLimitError,
)
from openai.types.chat import ChatCompletionMessageParam

from tests.api.test_transport import ask
from tests.running import KEY, Running, running
from xiaozhi.chat_models.scripted import Fails, Says, Scripted

# They are passed on: nothing is kept.
pytestmark = pytest.mark.one_database

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "你好"}]


class Left(threading.Event):
    """Set when the answer was left. `asked`: set when it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()


@contextmanager
def endpoint(said: bytes, *, hangs_up: bool = False) -> Iterator[tuple[str, Left]]:
    """One that says `said` to the first request and then nothing, or hangs up.

    The event: its answer was left.
    """
    left = Left()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                connection, _ = listening.accept()
                with connection:
                    if b"POST" not in connection.recv(65536):
                        continue  # it has no list of models
                    left.asked.set()
                    connection.sendall(said)
                    while not hangs_up and connection.recv(65536):
                        pass
                    left.set()
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", left


def test_an_answer_is_the_endpoints(client: OpenAI, model: Scripted):
    model.script = [Says("你好！")]
    completion = client.chat.completions.create(model="scripted", messages=HELLO)
    assert completion.choices[0].message.content == "你好！"
    assert completion.id == "chatcmpl-scripted"
    assert completion.usage
    assert completion.usage.completion_tokens == 1


def test_a_stream_comes_piece_by_piece(client: OpenAI, model: Scripted):
    model.script = [Says(["one", " two"], pause=0.05)]
    stream = client.chat.completions.create(
        model="scripted",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert texts == ["one", " two", None]
    assert chunks[-1].usage
    assert stream.response.headers["content-type"].startswith("text/event-stream")


def test_the_body_arrives_as_it_was_sent(client: OpenAI, model: Scripted):
    """Also what this server has never heard of."""
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    client.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": [{"type": "text", "text": "½"}]}],
        tools=[tool],
        temperature=0.25,
        seed=None,
        extra_body={"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}},
    )
    assert model.requests[-1] == {
        "model": "scripted",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "½"}]}],
        "tools": [tool],
        "temperature": 0.25,
        "seed": None,
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_the_default_model_has_its_name_at_the_endpoint(client: OpenAI, model: Scripted):
    client.chat.completions.create(model="default", messages=HELLO)
    assert model.requests[-1]["model"] == "scripted"


def test_our_key_stays_here_and_the_endpoints_is_sent(tmp_path: Path):
    model = Scripted()
    with (
        model.served() as url,
        running(tmp_path, model_url=url, openai_api_key="theirs") as server,
        server.client(default_headers={"X-Of-The-Client": "private"}) as client,
    ):
        client.chat.completions.create(model="scripted", messages=HELLO)
    assert model.api_keys == {"Bearer theirs"}


def test_the_endpoints_errors_are_passed_back(client: OpenAI, model: Scripted):
    waiting = (("retry-after", "7"), ("x-ratelimit-remaining-tokens", "0"))
    model.script = [
        Fails(400, "no such tool", "bad_tool"),
        Fails(429, "slow down", "rate_limit_exceeded", headers=waiting),
    ]
    with pytest.raises(BadRequestError, match="no such tool") as refused:
        client.chat.completions.create(model="scripted", messages=HELLO)
    assert refused.value.code == "bad_tool"
    with pytest.raises(RateLimitError, match="slow down") as limited:
        client.chat.completions.create(model="scripted", messages=HELLO, stream=True)
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.response.headers["x-ratelimit-remaining-tokens"] == "0"
    assert limited.value.request_id
    assert len(model.requests) == 2, "nothing is tried again: that is the client's business"


def test_an_endpoint_that_is_not_there_is_a_bad_gateway(tmp_path: Path):
    with (
        running(tmp_path, model_url="http://127.0.0.1:9/v1") as server,
        server.client() as client,
        pytest.raises(InternalServerError, match="cannot be reached") as failed,
    ):
        client.chat.completions.create(model="any", messages=HELLO)
    assert failed.value.status_code == 502
    assert failed.value.type == "server_error"


def test_a_model_that_nobody_can_know_is_refused(tmp_path: Path):
    with (
        Scripted().served() as url,
        running(tmp_path, ollama_url=url) as server,
        server.client() as client,
    ):
        assert [model.id for model in client.models.list()] == ["scripted"]
        with pytest.raises(NotFoundError, match="The model 'qwen9' does not exist") as refused:
            client.chat.completions.create(model="qwen9", messages=HELLO)
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
        assert client.chat.completions.create(model="gpt-4o", messages=HELLO).model == "scripted"


REFUSED: list[tuple[Any, str | None, str | None]] = [
    ({"messages": [{}]}, "model", "missing_required_parameter"),
    ({"model": "scripted"}, "messages", "missing_required_parameter"),
    ({"model": 5, "messages": [{}]}, "model", "invalid_type"),
    ({"model": "scripted", "messages": "hi"}, "messages", "invalid_type"),
    ({"model": "scripted", "messages": []}, "messages", "array_below_min_length"),
    ([], None, None),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSED)
def test_model_and_messages_are_needed(
    server: Running, body: Any, param: str | None, code: str | None
):
    answer = ask(server, "/v1/chat/completions", body)
    assert answer.status == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, code)


def test_no_beta_header_is_needed_but_the_key_is(server: Running, model: Scripted):
    body = {"model": "scripted", "messages": HELLO}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    assert ask(server, "/v1/chat/completions", body, headers=headers).status == 200
    del headers["Authorization"]
    assert ask(server, "/v1/chat/completions", body, headers=headers).status == 401


def test_the_bytes_of_a_stream_are_the_endpoints(server: Running, model: Scripted):
    model.script = [Says(["你", "好"])]
    body = {"model": "scripted", "messages": HELLO, "stream": True}
    answer = ask(server, "/v1/chat/completions", body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-request-id"].startswith("req_")
    events = answer.body.decode().split("\n\n")
    assert [json.loads(event[6:])["choices"][0]["delta"] for event in events[:3]] == [
        {"content": "你"},
        {"content": "好"},
        {},
    ]
    assert events[3:] == ["data: [DONE]", ""]


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
WHOLE = STREAM.removesuffix(b"\r\n") + b"Content-Length: 10000\r\n\r\n"  # which it never is
PIECE = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'


@pytest.mark.parametrize("said", [STREAM + PIECE, b""], ids=["in the answer", "before it"])
def test_a_reader_who_leaves_stops_the_model(tmp_path: Path, said: bytes):
    with endpoint(said) as (url, left), running(tmp_path, model_url=url) as server:
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True})
        request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as reader:
            reader.sendall(request.encode())
            heard = b""
            while said and PIECE not in heard:
                heard += reader.recv(65536)
            assert left.asked.wait(30)
            assert not left.wait(0.2)
        assert left.wait(30)


def test_a_stream_that_breaks_off_says_so(tmp_path: Path):
    with endpoint(WHOLE + PIECE, hangs_up=True) as (url, _), running(tmp_path, model_url=url) as s:
        stream = s.client().chat.completions.create(model="m", messages=HELLO, stream=True)
        assert next(stream).choices[0].delta.content == "Hi"
        with pytest.raises(APIError, match="broke off"):
            next(stream)


def test_half_an_event_is_not_taken_for_a_whole_one(tmp_path: Path):
    said = WHOLE + PIECE + b'data: {"id'
    with endpoint(said, hangs_up=True) as (url, _), running(tmp_path, model_url=url) as server:
        with pytest.raises(http.client.IncompleteRead) as cut:
            ask(server, "/v1/chat/completions", {"model": "m", "messages": HELLO, "stream": True})
        assert cut.value.partial == PIECE + b'data: {"id'
