"""Refuses requests to foreign host names, and those that pages of other web sites send.

DNS rebinding: a site points its own name at 127.0.0.1, and its page is then of the same origin as
this server. The browser still sends the site's name as Host, so a name that was not allowed is
refused; an IP address cannot be rebound. A page of another origin sends its Origin with web sockets
and with whatever it posts.

The answer is 421 (RFC 9110, section 15.5.20); 400 where Host is missing or not one name (RFC 9112,
section 3.2).
"""

from collections.abc import Iterable
from functools import lru_cache

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from xiaozhi import host_names
from xiaozhi.api.answers import refused
from xiaozhi.errors import InvalidRequest, Misdirected
from xiaozhi.host_names import Host
from xiaozhi.language import catalogue

# Says that the process lives and nothing else: watchers may ask by any name.
OPEN = ("/health",)
LONGEST_NAME = 253  # characters, of a DNS name
KNOWN_HOSTS = 256  # answers that are remembered

# Read here, because files may not be read on the event loop
_CHINESE, _ENGLISH = catalogue("zh"), catalogue("en")


class HostGuard:
    def __init__(self, app: ASGIApp, host: str, allowed: Iterable[str] = ()) -> None:
        """`host`: the address that the server listens on. `allowed`: see `host_names.pattern`."""
        self._app = app
        listening = host_names.parse(f"[{host}]" if ":" in host else host)
        self._own = listening.name if listening else ""
        # Listening on a network: reached by whatever address the machine has, or a router before it
        self._takes_addresses = not host_names.is_loopback(self._own)
        self._allowed = frozenset(allowed)
        self._host = lru_cache(KNOWN_HOSTS)(self._checked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await _refuse_socket(refusal, scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        hosts: list[str] = []
        origins: list[str] = []
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value.decode("latin-1"))
            elif name == b"origin":
                origins.append(value.decode("latin-1"))
        if len(hosts) != 1:
            error = InvalidRequest("A request must have one Host header.")
            return refused(error)
        host = self._host(hosts[0])
        if host is None:
            words = _(
                "This server does not answer to the name '{name}'. If that is its name, start it "
                "with --allowed-hosts {name}, or list it in XIAOZHI_ALLOWED_HOSTS.",
                scope,
                name=_printable(hosts[0]),
            )
            return _misdirected(words, scope)
        if not all(host_names.is_same_origin(origin, host) for origin in origins):
            words = _(
                "This server answers its own page and programs, not the pages of other web sites.",
                scope,
            )
            return _misdirected(words, scope)
        return None

    def _checked(self, value: str) -> Host | None:
        """`value`: the Host header. None where it must be refused."""
        host = host_names.parse(value)
        if host is None:
            return None
        allowed = (
            host_names.is_loopback(host.name)
            or host.name == self._own
            or (self._takes_addresses and host_names.is_address(host.name))
            or host_names.matches(host.name, self._allowed)
        )
        return host if allowed else None


def _(sentence: str, scope: Scope, **values: str) -> str:
    """In the language of the request."""
    language = "".join(_values(scope, b"accept-language"))
    chosen = _CHINESE if language.lower().startswith("zh") else _ENGLISH
    return chosen.gettext(sentence).format(**values)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _printable(host: str) -> str:
    """A name without its port, or what was sent in its place."""
    parsed = host_names.parse(host)
    name = parsed.name if parsed else host
    return "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST_NAME])


def _misdirected(words: str, scope: Scope) -> Response:
    """The API's shape; for a browser, which would show it, the sentence alone."""
    if any("text/html" in accepted for accepted in _values(scope, b"accept")):
        return PlainTextResponse(words, 421)
    return refused(Misdirected(words))


async def _refuse_socket(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """In place of a handshake: with the answer, or (an old server) with the bare status 403."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await refusal(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})
