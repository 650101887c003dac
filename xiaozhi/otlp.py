"""Spans go to an OpenTelemetry collector, as OTLP over HTTP. For the extra `telemetry` alone.

The address, headers, sampling and so on are read by OpenTelemetry itself, from its own variables in
the environment (OTEL_…).
"""

import asyncio
import threading
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as Kept
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from xiaozhi import __version__
from xiaozhi.tracing import Attributes, Kind, Span

SERVICE = "xiaozhi-zero"  # where OTEL_SERVICE_NAME says no other
HANDED_OVER_WITHIN = 3.0  # s; a collector that hangs must not hold up the end

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
}


class Otlp:
    def __init__(self) -> None:
        ours = Resource.create({"service.name": SERVICE, "service.version": __version__})
        # The environment's name for the service wins over ours.
        resource = ours.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("xiaozhi", __version__)
        # Without baggage, which may hold anything
        self._propagator = TraceContextTextMapPropagator()

    def span(
        self, name: str, kind: Kind, attributes: Attributes, caller: Mapping[str, str] | None
    ) -> Span:
        parent = None if caller is None else self._propagator.extract(caller, Context())
        kept = self._tracer.start_span(
            name, parent, kind=_KINDS[kind], attributes=dict(attributes), record_exception=False
        )
        return _Kept(kept)

    def headers(self) -> dict[str, str]:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    async def end(self) -> None:
        # A thread of its own: one of the loop's would be waited for, however long it takes.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, HANDED_OVER_WITHIN)


class _Kept(Span):
    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._token = context.attach(set_span_in_context(self._kept))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._token is not None, "entered before"
        context.detach(self._token)
        if kind is not None:
            self.failed(kind.__qualname__)
        self._kept.end()

    def note(self, attributes: Attributes) -> None:
        self._kept.set_attributes(dict(attributes))

    def rename(self, name: str) -> None:
        self._kept.update_name(name)

    def failed(self, kind: str) -> None:
        self._kept.set_attribute("error.type", kind)
        self._kept.set_status(StatusCode.ERROR)
