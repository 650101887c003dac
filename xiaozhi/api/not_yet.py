"""What the API knows and this server has not got yet: refused clearly, never half-done."""

from collections.abc import Iterable

from xiaozhi.errors import InvalidRequest
from xiaozhi.requests import (
    Body,
    CreateMessage,
    CreateRun,
    CreateThread,
    CreateThreadAndRun,
    ImageFilePart,
)

# Tools, and what they work on: the next things to come
_FIELDS = ("tools", "tool_resources", "attachments")


def refuse_what_is_not_there(request: Body) -> None:
    """Raises InvalidRequest where the request wants tools or files."""
    for body in _bodies(request):
        for name in _FIELDS:
            if getattr(body, name, None):
                raise _not_yet(name)
        content = body.content if isinstance(body, CreateMessage) else ()
        if any(isinstance(part, ImageFilePart) for part in content):
            raise _not_yet("content")


def _bodies(request: Body) -> Iterable[Body]:
    """The request and everything in it that can want something."""
    yield request
    match request:
        case CreateThreadAndRun():
            yield from _bodies(request.thread)
        case CreateThread():
            yield from request.messages
        case CreateRun():
            yield from request.additional_messages
        case _:
            return


def _not_yet(field: str) -> InvalidRequest:
    words = f"'{field}': tools and files are not available on this server yet."
    return InvalidRequest(words, param=field)
