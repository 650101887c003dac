"""Reads the JSON body of a request: bounded as it comes, and off the event loop where it is large.

A body of 32 MB may be one picture, or ten million zeros of which Python would build a gigabyte. So
its values are counted in the bytes, while they come, before anything is made of them.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from xiaozhi.api.refusals import NOT_JSON
from xiaozhi.errors import InvalidRequest
from xiaozhi.json_objects import is_deeper
from xiaozhi.offload import LARGE, offload

# Values and keys of one body. 128 functions with parameters of 500 values each are a quarter of it;
# json.loads takes 15 ms for as many, and 30 MB.
MOST_VALUES = 250_000
DEEPEST = 400  # levels; what is passed on is written again, where 1,000 are too many

# What is left of a body outside of its strings' contents: one character for each value and key
_OPENING = b'"[{,:'
_THE_REST = bytes(set(range(256)) - set(_OPENING))


class ValueCount:
    """Counts the values and keys of a JSON text that comes in pieces, without parsing it.

    JSON separates them by `,` and `:` and opens what holds them by `[` and `{`. Inside strings
    these mean nothing. Wrong JSON is counted somehow: the parser refuses it.
    """

    def __init__(self) -> None:
        self.total = 0
        self._in_string = False
        self._cut = b""

    def add(self, piece: bytes) -> None:
        piece = self._cut + piece
        # An escape is a pair of characters, which may be cut in two.
        backslashes = len(piece) - len(piece.rstrip(b"\\"))
        self._cut = piece[-1:] if backslashes % 2 else b""
        if self._cut:
            piece = piece[:-1]
        if backslashes or b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        outside_and_in = piece.translate(None, _THE_REST).split(b'"')
        outside = outside_and_in[1 if self._in_string else 0 :: 2]
        self.total += sum(map(len, outside))
        if len(outside_and_in) % 2 == 0:
            self._in_string = not self._in_string


class JsonRoute(APIRoute):
    """A route whose body is read, parsed and validated as this module says."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        field = self.body_field
        if field is None:
            return answer

        def parsed(body: bytes) -> object:
            """What the endpoint wants. Raises RequestValidationError, InvalidRequest."""
            try:
                found = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise InvalidRequest(NOT_JSON) from error
            if body.count(b"[") + body.count(b"{") > DEEPEST and is_deeper(found, DEEPEST):
                words = f"The JSON body of your request is nested more than {DEEPEST} levels deep."
                raise InvalidRequest(words)
            request, errors = field.validate(found, {}, loc=("body",))
            if errors:
                raise RequestValidationError(errors, body=found)
            return request

        async def read(request: Request) -> Response:
            body = await _bounded(request)
            if not body:
                return await answer(_Read(request, b"", None))
            value = await offload(len(body) > LARGE, parsed, body)
            del body  # while the answer is streamed, say
            return await answer(_Read(request, b"{}", value))

        return read


class _Read(Request):
    """A request whose body has been read: FastAPI's own validation takes `value` as it is."""

    def __init__(self, request: Request, body: bytes, value: object) -> None:
        """`body`: empty where there is none."""
        super().__init__(request.scope, request.receive)
        self._bytes = body
        self._value = value

    async def body(self) -> bytes:
        return self._bytes

    async def json(self) -> Any:
        return self._value


async def _bounded(request: Request) -> bytes:
    """The body. Raises InvalidRequest where it holds too many values."""
    pieces: list[bytes] = []
    size, counted = 0, 0
    count = ValueCount()
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size <= LARGE:
            continue
        for uncounted in pieces[counted:]:
            count.add(uncounted)
        counted = len(pieces)
        if count.total > MOST_VALUES:
            raise InvalidRequest(
                f"The JSON body of your request is too large: it holds more than {MOST_VALUES} "
                "values.",
                code="object_above_max_properties",
            )
    return await offload(size > LARGE, b"".join, pieces)
