"""How answers look: JSON as it is kept, pages, and errors in the API's one shape."""

import json
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from xiaozhi.api.parts import InParts
from xiaozhi.api.refusals import NOT_JSON, refusal
from xiaozhi.errors import (
    InvalidRequest,
    Misdirected,
    ModelFailed,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedContent,
    XiaozhiError,
)
from xiaozhi.store import Page

POLL_AFTER = 200  # ms that the SDKs' pollers are asked to wait

PUT_TOGETHER = 1_000_000  # characters of a page; one that is longer is sent in parts

STATUS: Mapping[type[XiaozhiError], int] = {
    UnsupportedContent: 415,
    TooLarge: 413,
    InvalidRequest: 400,
    Unauthorized: 401,
    NotFound: 404,
    Misdirected: 421,
    TooManyRequests: 429,
    ModelFailed: 502,
    Unavailable: 503,
}

log = logging.getLogger(__name__)


def answer(body: str, **headers: str) -> Response:
    """`body`: JSON."""
    return Response(body, media_type="application/json", headers=headers)


def page(found: Page) -> Response:
    """Contract 3.4. Both ids are null where the page is empty."""
    first, last = (found.ids[0], found.ids[-1]) if found.ids else (None, None)
    head = '{"object":"list","data":['
    tail = (
        f'],"first_id":{json.dumps(first)},"last_id":{json.dumps(last)},'
        f'"has_more":{json.dumps(found.has_more)}}}'
    )
    if sum(map(len, found.bodies)) <= PUT_TOGETHER:
        return answer(head + ",".join(found.bodies) + tail)
    behind = (text for body in found.bodies[1:] for text in (",", body))
    return InParts([head, found.bodies[0], *behind, tail])


def deleted(id: str, object: str) -> Response:
    return answer(json.dumps({"id": id, "object": object, "deleted": True}))


def refused(error: XiaozhiError) -> Response:
    status = next((status for type_, status in STATUS.items() if isinstance(error, type_)), 500)
    if isinstance(error, TooManyRequests):
        response = _error(status, error.message, "requests", code=error.code)
        response.headers["retry-after"] = str(error.retry_after)
        return response
    kind = "invalid_request_error" if status < 500 else "server_error"
    return _error(status, error.message, kind, error.param, error.code)


async def http_error(request: Request, error: Exception) -> Response:
    """The framework's own. `error`: an HTTPException."""
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        return _error(404, f"Invalid URL ({method} {path})")
    if error.status_code == 405:
        words = f"Not allowed to {method} on {path}."
        return _error(405, words, code="method_not_supported")
    if error.status_code == 400:
        # The framework's one reason: JSON that no parser takes, as arrays 20,000 deep
        return _error(400, NOT_JSON)
    return _error(error.status_code, error.detail)


def _error(
    status: int,
    message: str,
    type_: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> Response:
    error = {"message": message, "type": type_, "param": param, "code": code}
    return Response(
        json.dumps({"error": error}, ensure_ascii=False).encode(errors="replace"),
        status,
        media_type="application/json",
    )


def add_error_answers(app: FastAPI) -> None:
    """Every error leaves in the API's shape, the framework's own included (contract 2.1)."""

    @app.exception_handler(XiaozhiError)
    async def _(_request: Request, error: XiaozhiError) -> Response:
        return refused(error)

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> Response:
        return refused(refusal(error.errors(), error.body))

    app.add_exception_handler(HTTPException, http_error)

    @app.exception_handler(Exception)
    async def _(_request: Request, _error_: Exception) -> Response:
        # Starlette logs it, with its traceback, after this answer.
        words = "The server had an error while processing your request. Sorry about that!"
        return _error(500, words, "server_error")
