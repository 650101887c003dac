"""A model that says what a test tells it, over real HTTP: the same wire as every other endpoint.

    with Scripted([Says("你好！")]).served() as url: ...      # url ends in /v1

`python -m xiaozhi.chat_models.scripted --port 9000` serves one by itself, for benchmarks and
demonstrations.
"""

import argparse
import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from xiaozhi.chat_models.wire import REASONING_FIELDS, as_objects


@dataclass(frozen=True)
class Says:
    """`text`: said word by word, or piece by piece as given. `pause`: s before each piece.

    `think`: s before the first one. `finish_reason`: None breaks off without one. `thoughts`: as
    `text`, sent before it as `thoughts_as`. `can_be_held`: its last piece waits as long as the
    model is held.
    """

    text: str | Sequence[str]
    pause: float = 0.0
    think: float = 0.0
    finish_reason: str | None = "stop"
    can_be_held: bool = False
    thoughts: str | Sequence[str] = ""
    thoughts_as: str = "reasoning_content"

    def deltas(self) -> Sequence[dict[str, Any]]:
        thoughts = [{self.thoughts_as: piece} for piece in _pieces(self.thoughts)]
        return [*thoughts, *({"content": piece} for piece in _pieces(self.text))]


@dataclass(frozen=True)
class Calls:
    """Calls functions. `calls`: (name, arguments as JSON), told in small chunks.

    `text`: said before, in the same answer. `pause`: s before each chunk. `thoughts`: before both.
    """

    calls: Sequence[tuple[str, str]]
    text: str = ""
    pause: float = 0.0
    finish_reason: str = "tool_calls"
    thoughts: str = ""

    def deltas(self) -> Sequence[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"content": self.text}] if self.text else []
        if self.thoughts:
            found.insert(0, {"reasoning_content": self.thoughts})
        for index, (name, arguments) in enumerate(self.calls):
            call = {"id": f"call_{index}", "type": "function", "index": index}
            found.append({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
            found += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in re.findall(r".{1,5}", arguments)
            ]
        return found


@dataclass(frozen=True)
class Refuses:
    """Declines in a part of its own, as OpenAI's models do with a JSON schema."""

    text: str
    pause: float = 0.0
    finish_reason: str = "stop"

    def deltas(self) -> Sequence[dict[str, Any]]:
        return [{"refusal": piece} for piece in re.findall(r"\s*\S+", self.text)]


@dataclass(frozen=True)
class Fails:
    """An HTTP error in OpenAI's shape."""

    status: int
    message: str = "scripted failure"
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Hangs:
    """Takes the request and says nothing, for `seconds`."""

    seconds: float = 3600.0


@dataclass(frozen=True)
class Sends:
    """Bytes as they are, each chunk in a write of its own: what no other line can say.

    `pause`: s before each chunk but the first. `forever`: begins again behind the last.
    """

    chunks: Sequence[bytes]
    content_type: str = "text/event-stream"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pause: float = 0.0
    forever: bool = False

    @classmethod
    def events(
        cls, *data: object, end: bytes = b"data: [DONE]\n\n", pause: float = 0.01
    ) -> "Sends":
        """Each of `data` as an event: JSON, unless it is bytes already."""
        written = [
            each if isinstance(each, bytes) else b"data: " + json.dumps(each).encode() + b"\n\n"
            for each in data
        ]
        return cls([*written, end], pause=pause)

    async def sent(self) -> AsyncIterator[bytes]:
        for number, chunk in enumerate(cycle(self.chunks) if self.forever else self.chunks):
            if number and self.pause:
                await asyncio.sleep(self.pause)
            yield chunk


Line = Says | Calls | Refuses | Fails | Hangs | Sends

# What is answered to a request's body: for many conversations at once, of which nobody knows the
# order
Reply = Callable[[Mapping[str, Any]], Line]
# The same, for what is asked beside a conversation; None leaves it to the script
Aside = Callable[[Mapping[str, Any]], Line | None]


class Scripted:
    """`script`: one line an answer, in order; after the last one `otherwise`, or what it replies.

    `sees`: the `input_modalities` of models, by their names; of others nothing is said.
    `requests`: the bodies that were asked, in order; those answered by `aside` are in `asides`.
    """

    def __init__(
        self,
        script: Sequence[Line] = (),
        *,
        otherwise: Line | Reply = Says("All right."),  # because Says is frozen
        models: Sequence[str] = ("scripted",),
        window: int | None = None,
        sees: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.script: list[Line] = list(script)
        self.otherwise = otherwise
        self.models = list(models)
        self.window = window
        self.sees: Mapping[str, Sequence[str]] = sees or {}
        self.aside: Aside = lambda _body: None
        self._let_go = threading.Event()
        self._let_go.set()
        self.requests: list[dict[str, Any]] = []
        self.asides: list[dict[str, Any]] = []
        self.api_keys: set[str | None] = set()
        self.traceparents: list[str | None] = []
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._answer, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    @contextmanager
    def served(self, port: int = 0) -> Generator[str]:
        """Serves on a thread; yields the base URL."""
        server = _Server(self.app, port)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port()}/v1"
        finally:
            server.should_exit = True
            thread.join()

    @contextmanager
    def held(self) -> Generator[None]:
        """Meanwhile what can be held does not end: however slow a machine is, it still grows."""
        self._let_go.clear()
        try:
            yield
        finally:
            self._let_go.set()

    async def _models(self, _request: Request) -> Response:
        entries = [
            {"id": name, "object": "model", "created": 1, "owned_by": "test"}
            | ({"max_model_len": self.window} if self.window else {})
            | ({"input_modalities": self.sees[name]} if name in self.sees else {})
            for name in self.models
        ]
        return JSONResponse({"object": "list", "data": entries})

    def _line(self, body: Mapping[str, Any]) -> Line:
        if self.script:
            return self.script.pop(0)
        return self.otherwise(body) if callable(self.otherwise) else self.otherwise

    async def _answer(self, request: Request) -> Response:
        body = json.loads(await request.body())
        line = self.aside(body)
        (self.requests if line is None else self.asides).append(body)
        self.api_keys.add(request.headers.get("authorization"))
        self.traceparents.append(request.headers.get("traceparent"))
        line = line or self._line(body)
        match line:
            case Fails():
                error = {"message": line.message, "type": "error", "param": None, "code": line.code}
                return JSONResponse({"error": error}, line.status, headers=dict(line.headers))
            case Hangs():
                await asyncio.sleep(line.seconds)
                return JSONResponse({"error": {"message": "hung"}}, 500)
            case Sends():
                response = StreamingResponse(line.sent(), line.status, media_type=line.content_type)
                response.raw_headers += [
                    (name.encode(), value.encode()) for name, value in line.headers
                ]
                return response
            case Says() | Calls() | Refuses() if not body.get("stream"):
                if isinstance(line, Says):
                    await asyncio.sleep(line.think)
                return JSONResponse(_whole(line, body))
            case Says() | Calls() | Refuses():
                spoken = self._spoken(line, body)
                return StreamingResponse(spoken, media_type="text/event-stream")

    async def _spoken(
        self, line: Says | Calls | Refuses, body: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        if isinstance(line, Says):
            await asyncio.sleep(line.think)
        deltas = line.deltas()
        for number, delta in enumerate(deltas, 1):
            if line.pause:
                await asyncio.sleep(line.pause)
            if isinstance(line, Says) and line.can_be_held and number == len(deltas):
                await asyncio.to_thread(self._let_go.wait)
            yield _chunk(body, [{"index": 0, "delta": delta, "finish_reason": None}])
        if line.finish_reason is None:
            return
        yield _chunk(body, [{"index": 0, "delta": {}, "finish_reason": line.finish_reason}])
        if body.get("stream_options", {}).get("include_usage"):
            yield _chunk(body, [], usage=_usage(line, body))
        yield b"data: [DONE]\n\n"


def _pieces(text: str | Sequence[str]) -> Sequence[str]:
    return re.findall(r"\s*\S+|\s+", text) if isinstance(text, str) else text


def _whole(line: Says | Calls | Refuses, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for key in ("content", "refusal", *REASONING_FIELDS):
        if said := "".join(delta.get(key, "") for delta in line.deltas()):
            message[key] = said
    if isinstance(line, Calls):
        message["tool_calls"] = [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for index, (name, arguments) in enumerate(line.calls)
        ]
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": line.finish_reason}],
        "usage": _usage(line, body),
    }


def _usage(line: Says | Calls | Refuses, body: dict[str, Any]) -> dict[str, int]:
    """A word is a token."""
    contents = [message.get("content") for message in as_objects(body["messages"])]
    prompt = sum(len(str(content).split()) for content in contents)
    answer = len(line.deltas())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def _chunk(body: dict[str, Any], choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
        "choices": choices,
        **more,
    }
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


class _Server(uvicorn.Server):
    def __init__(self, app: Starlette, port: int) -> None:
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=0
        )
        super().__init__(config)
        self._listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    async def shutdown(self, sockets: Any = None) -> None:
        await super().shutdown(sockets)
        # An answer that hangs has kept its connection: without this its socket is left to the
        # garbage collector, whose complaint fails whatever test runs then.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)

    def port(self) -> int:
        """The port it listens on; waits until it does."""
        self._listening.wait()
        return self.servers[0].sockets[0].getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--words", type=int, default=200, help="how many words an answer has")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each word")
    arguments = parser.parse_args()
    says = Says(["word "] * arguments.words, pause=arguments.pause)
    uvicorn.run(
        Scripted(otherwise=says).app, host="127.0.0.1", port=arguments.port, log_level="error"
    )


if __name__ == "__main__":
    main()
