"""Answers that may be long are sent in parts: a reader that does not read has one in memory."""

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LARGEST_PART = 65_536  # bytes


def body(data: bytes, *, last: bool = False) -> dict[str, Any]:
    """As ASGI has it."""
    return {"type": "http.response.body", "body": data, "more_body": not last}


def parts(data: bytes) -> Iterator[bytes]:
    if len(data) <= LARGEST_PART:
        yield data
        return
    for at in range(0, len(data), LARGEST_PART):
        yield data[at : at + LARGEST_PART]


class InParts(Response):
    """JSON that is never put together: 80 MB would hold the event loop for a third of a second."""

    media_type = "application/json"

    def __init__(self, texts: Iterable[str]) -> None:
        super().__init__()
        self._texts = texts
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for text in self._texts:
            for part in parts(text.encode()):
                await send(body(part))
        await send(body(b"", last=True))
