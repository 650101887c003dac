"""The security headers of every answer.

No type is guessed, no address of a page here is told to another site, and no other site may frame
what is here. An answer with no Content-Security-Policy of its own (all but HTML) may load nothing.

Sources: the Fetch standard (X-Content-Type-Options, Cross-Origin-Resource-Policy), Referrer Policy,
CSP Level 3 (frame-ancestors; X-Frame-Options for browsers without it).
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = b"content-security-policy"
NOTHING = (POLICY, b"default-src 'none'; frame-ancestors 'self'; base-uri 'none'")
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NAMES = frozenset(name for name, _value in ALWAYS)
_STARTS = ("http.response.start", "websocket.http.response.start")


class ResponseHeaders:
    """Around the whole server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] in _STARTS:
                message["headers"] = _secured(message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, with_headers)


def _secured(headers: "list[tuple[bytes, bytes]]") -> list[tuple[bytes, bytes]]:
    kept: list[tuple[bytes, bytes]] = []
    policies = [NOTHING]
    for pair in headers:
        name = pair[0].lower()
        if name == POLICY:
            policies = []
        if name not in _NAMES:
            kept.append(pair)
    return [*kept, *policies, *ALWAYS]
