"""What the API knows and this server has not got yet: refused clearly, never half-done."""

from collections.abc import Iterable

from xiaozhi.errors import InvalidRequest
from xiaozhi.requests import (
    Body,
    CreateMessage,
    CreateRun,
    CreateThread,
    CreateThreadAndRun,
    Exchange,
    FunctionTool,
    ImageFilePart,
    ToolChoice,
)
from xiaozhi.tool_resources import ToolResources


def refuse_what_is_not_there(request: Body) -> None:
    """Raises InvalidRequest where the request wants built-in tools or files."""
    for body in _bodies(request):
        for field in _wanted(body):
            words = f"'{field}': built-in tools and files are not available on this server yet."
            raise InvalidRequest(words, param=field)


def _wanted(body: Body) -> Iterable[str]:
    if not all(isinstance(tool, FunctionTool) for tool in getattr(body, "tools", None) or ()):
        yield "tools"
    resources: ToolResources | None = getattr(body, "tool_resources", None)
    if resources and resources.name_files:
        yield "tool_resources"
    if isinstance(getattr(body, "tool_choice", None), ToolChoice):
        yield "tool_choice"
    if isinstance(body, CreateMessage):
        if body.attachments:
            yield "attachments"
        # Words are no parts: to look at each character takes 28 ms for the longest.
        parts = body.content if isinstance(body.content, list) else ()
        if any(isinstance(part, ImageFilePart) for part in parts):
            yield "content"


def _bodies(request: Body) -> Iterable[Body]:
    """The request and everything in it that can want something."""
    yield request
    match request:
        case CreateThreadAndRun():
            yield from _bodies(request.thread)
        case CreateThread():
            yield from request.messages
        case CreateRun() | Exchange():
            yield from request.additional_messages
        case _:
            return
