"""The body of a request to a model's endpoint, encoded so that the event loop goes on."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from xiaozhi.offload import is_large, offload


async def encoded(body: Mapping[str, Any]) -> bytes | BytesIO:
    """`body` as JSON. A large one is a buffer, which aiohttp sends in pieces."""
    large = is_large(body)
    return await offload(large, _buffer if large else _bytes, body)


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _buffer(body: Mapping[str, Any]) -> BytesIO:
    """Token by token: `json.dumps` would keep the interpreter until it has all of it."""
    buffer = BytesIO()
    for token in json.JSONEncoder().iterencode(body):
        buffer.write(token.encode())
    buffer.seek(0)
    return buffer
