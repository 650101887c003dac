"""What is noted of every request: a line in the log, its metrics, its span.

Never its path, query, headers or body: the route's template, and of the path those ids that can
only be ours.
"""

import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xiaozhi import logs, metrics, tracing
from xiaozhi.api.bases import base_of
from xiaozhi.api.docs import OPEN
from xiaozhi.turns import Turns

LEFT = 499  # the client has left before the answer began; nginx's number for it
PAGE = "page"
UNKNOWN = "unknown"
# Outside of the API's routes
WATCHERS = ("/health", "/health/ready", "/metrics")

_OURS = re.compile(r"(asst|thread|msg|run|step)_[A-Za-z0-9]{24}")
# A name that the client gives its request, so that both sides' logs can be laid side by side
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_CLIENTS_ID = (b"x-client-request-id", b"x-request-id")

log = logging.getLogger(__name__)


class Access:
    """Around the whole server. The request's id is known to everything inside (`logs.known`)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # A thousand requests that come together must not begin in one round of the event loop.
        # Those who come to listen have a queue of their own: nobody else waits behind them.
        self._requests, self._listeners = Turns(), Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        turns = self._listeners if scope["path"].endswith("/events") else self._requests
        await turns.mine()
        began = time.perf_counter()
        answer_began: float | None = None
        status = 0

        async def noting(message: Message) -> None:
            nonlocal answer_began, status
            if message["type"] == "http.response.start":
                answer_began, status = time.perf_counter(), message["status"]
            await send(message)

        request_id = f"req_{uuid.uuid4().hex}"
        logs.about(request_id=request_id)
        method: str = scope["method"]
        span = tracing.span(
            method,
            {"http.request.method": method, "xiaozhi.request_id": request_id},
            kind="server",
            caller=Headers(scope=scope),
        )
        failed = True
        with span:
            try:
                await self._app(scope, receive, noting)
                failed = False
            finally:
                status = status or (500 if failed else LEFT)
                route = _route(scope)
                span.rename(f"{method} {route}")
                span.note({"http.route": route, "http.response.status_code": status})
                if status >= 500:
                    span.failed(str(status))
                until = None if answer_began is None else answer_began - began
                metrics.answered(method, route, status, until)
                _tell(scope, route, status, time.perf_counter() - began)


def _tell(scope: Scope, route: str, status: int, took: float) -> None:
    # Those who look every few seconds are no news as long as all is well.
    level = logging.DEBUG if route in WATCHERS and status == 200 else logging.INFO
    if not log.isEnabledFor(level):
        return
    told = logs.fields(
        method=scope["method"] if scope["method"] in metrics.METHODS else metrics.OTHER,
        route=route,
        status=status,
        ms=round(took * 1000, 1),
        client_request_id=_clients_id(scope),
        **_ids(scope.get("path_params", {})),
    )
    log.log(level, "request", extra=told)


def _route(scope: Scope) -> str:
    """The template of the path; of bounded variety, whatever clients ask for."""
    path: str = scope["path"]
    if path in WATCHERS:
        return path
    base = base_of(path)
    if base is None:
        return PAGE
    if isinstance(route := scope.get("route"), APIRoute):
        return base + route.path_format
    return path if path.removeprefix(base) in OPEN else UNKNOWN


def _ids(params: Mapping[str, Any]) -> dict[str, str]:
    """Those that we have made: a path may hold anything."""
    return {name: id for name, id in params.items() if _OURS.fullmatch(str(id))}


def _clients_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name in _CLIENTS_ID and _SANE.fullmatch(value):
            return value.decode()
    return None
