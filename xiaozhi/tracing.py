"""Spans of what is being done, where somebody takes them (`otlp.py`); else nothing, for nothing.

Spans hold ids, names of models and numbers; never what people say, and of an error its class alone.
Attributes are those of OpenTelemetry's semantic conventions, and `xiaozhi.…` for ours.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Protocol, Self

Kind = Literal["server", "internal", "client"]
Attributes = Mapping[str, str | int | tuple[str, ...]]

# Each alone asks for traces: the standard's names.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the packages for traces are missing, so there are "
    "none: pip install 'xiaozhi-zero[telemetry]'"
)


class Span:
    """A stretch of work, entered and left in one task. This one is nobody's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def note(self, attributes: Attributes) -> None:
        """What has turned out meanwhile."""

    def rename(self, name: str) -> None:
        """Of bounded variety: names are grouped by."""

    def failed(self, kind: str) -> None:
        """`kind`: of the error; bounded too."""


class Tracer(Protocol):
    def span(
        self, name: str, kind: Kind, attributes: Attributes, caller: Mapping[str, str] | None
    ) -> Span: ...

    def headers(self) -> dict[str, str]: ...

    async def end(self) -> None: ...


_NOBODYS = Span()
_tracer: Tracer | None = None


def is_asked_for(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in ENDPOINTS)


def begin(tracer: Tracer) -> None:
    """From here on `tracer` takes the spans of this process."""
    global _tracer
    _tracer = tracer


async def end() -> None:
    """What is left is handed over, within bounds."""
    global _tracer
    if _tracer is not None:
        taken, _tracer = _tracer, None
        await taken.end()


def span(
    name: str,
    attributes: Attributes,
    *,
    kind: Kind = "internal",
    caller: Mapping[str, str] | None = None,
) -> Span:
    """A part of the span that this task is in. `caller`: headers that name another one instead."""
    return _NOBODYS if _tracer is None else _tracer.span(name, kind, attributes, caller)


def headers() -> dict[str, str]:
    """For a request to another server, so that its spans become parts of ours."""
    return {} if _tracer is None else _tracer.headers()
