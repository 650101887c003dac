"""What every request to /v1 passes first, and every answer gets (contract 1).

In this order: the request's id, the key, the beta header, the body's type and size.
"""

import hmac
import re
import time
from collections.abc import Collection, Iterator

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xiaozhi import logs
from xiaozhi.api.answers import refused
from xiaozhi.api.docs import OPEN
from xiaozhi.errors import (
    InvalidRequest,
    TooLarge,
    Unauthorized,
    UnsupportedContent,
    XiaozhiError,
)

VERSION = "2020-10-01"  # OpenAI's, in each of its answers
BETA = "assistants=v2"
# Bytes. The largest that the page sends are ten pictures of 2,048 pixels, 1 to 2 MB each in base64;
# OpenAI's models take 50 MB a request. What is one string is parsed at about 300 MB/s.
LARGEST_BODY = 32 * 2**20
TOO_LARGE = f"The body of your request is too large: at most {LARGEST_BODY} bytes."

_NEEDS_BETA = re.compile(r"^/(assistants|threads)(/|$)")
# Some clients join several values with semicolons instead of commas.
_BETA_SEPARATORS = re.compile("[,;]")


class Transport:
    def __init__(self, app: ASGIApp, keys: Collection[str], *, needs_beta: bool = True) -> None:
        """`keys`: those that may use the API. `needs_beta`: whether assistants and threads want
        the header `OpenAI-Beta`, as at OpenAI; Azure's clients do not send it.
        """
        self._app = app
        self._keys = keys
        self._needs_beta = needs_beta

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = logs.known("request_id")
                headers["openai-version"] = VERSION
                took = (time.perf_counter() - began) * 1000
                headers["openai-processing-ms"] = str(int(took))
            await send(message)

        try:
            self._check(scope)
        except XiaozhiError as error:
            await refused(error)(scope, receive, answer)
        else:
            await self._app(scope, _bounded(receive), answer)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in OPEN and scope["method"] == "GET":
            return
        check_key(headers, self._keys)
        if self._needs_beta and _NEEDS_BETA.match(path):
            _check_beta(",".join(headers.getlist("openai-beta")))
        if scope["method"] in ("POST", "PATCH"):
            _check_body(headers)


def check_key(headers: Headers, keys: Collection[str]) -> None:
    """Accept a request whose `headers` hold one of `keys`: as a bearer token, as at OpenAI, or in
    the header `api-key`, as at Azure. Raises Unauthorized.
    """
    given = list(_keys_in(headers))
    if not given:
        raise Unauthorized(
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), "
            "or in an api-key header (i.e. api-key: YOUR_KEY)."
        )
    if any(hmac.compare_digest(key.encode(), known.encode()) for key in given for known in keys):
        return
    key = given[0]
    shown = f"{key[:3]}...{key[-4:]}" if len(key) > 12 else "***"
    raise Unauthorized(
        f"Incorrect API key provided: {shown}. The key of this server lies in its data "
        "folder, in the file api-key.",
        code="invalid_api_key",
    )


def _keys_in(headers: Headers) -> Iterator[str]:
    """Some of Azure's clients send both headers, one of them with a placeholder."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        yield token.strip()
    if key := headers.get("api-key", "").strip():
        yield key


def _check_beta(beta: str) -> None:
    """`beta`: the values of the header. Raises InvalidRequest in OpenAI's words."""
    given = {value.strip() for value in _BETA_SEPARATORS.split(beta)}
    if BETA in given:
        return
    if "assistants=v1" in given:
        raise InvalidRequest(
            "The v1 Assistants API has been deprecated. Please try again by setting the header "
            f"'OpenAI-Beta: {BETA}'. See the migration guide for more information: "
            "https://platform.openai.com/docs/assistants/migration.",
            code="invalid_beta",
        )
    raise InvalidRequest(
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try "
        f"again by setting the header 'OpenAI-Beta: {BETA}'.",
        code="invalid_beta",
    )


def _check_body(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    has_body = length != "0" or "transfer-encoding" in headers
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise TooLarge(TOO_LARGE)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedContent(
            f"Unsupported content type: '{kind}'. This API method only accepts 'application/json' "
            "requests. Please try again with a supported content type.",
            code="unsupported_content_type",
        )


def _bounded(receive: Receive) -> Receive:
    """A body without a length is measured as it comes."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise HTTPException(413, TOO_LARGE)
        return message

    return bounded
