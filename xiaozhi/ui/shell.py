"""The HTML around the page, which Streamlit keeps to itself: title, language, style, scrolling."""

import hashlib
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
TITLE = "小智·Zero"


class Shell:
    """Rewrites the one HTML page; everything else passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._head = (
            f'<link rel="stylesheet" href="{_address("zero.css")}">'
            f'<script src="{_address("scroll.js")}" defer></script>'
            f'<script src="{_address("sidebar.js")}" defer></script>'
            '<link rel="manifest" href="./app/static/manifest.json">'
            '<meta name="theme-color" content="#3B5BDB">'
        ).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_page(scope):
            await self._app(scope, receive, send)
            return
        language = _language(Headers(scope=scope).get("accept-language", ""))
        # What is rewritten must come plain, and whole.
        dropped = (b"accept-encoding", b"if-none-match", b"if-modified-since")
        headers = [pair for pair in scope["headers"] if pair[0] not in dropped]
        start: Message = {}
        body = b""

        async def rewritten(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            told = MutableHeaders(scope=start)
            if told.get("content-type", "").startswith("text/html"):
                body = self._rewritten(body, language)
                del told["etag"]
                told["content-length"] = str(len(body))
                told["vary"] = "accept-language"
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app({**scope, "headers": headers}, receive, rewritten)

    def _rewritten(self, html: bytes, language: str) -> bytes:
        html = html.replace(b'<html lang="en">', f'<html lang="{language}">'.encode(), 1)
        html = html.replace(b"<title>Streamlit</title>", f"<title>{TITLE}</title>".encode(), 1)
        return html.replace(b"</head>", self._head + b"</head>", 1)


def _address(name: str) -> str:
    """Another one for each content: a browser keeps what it has fetched."""
    content = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"./app/static/{name}?{content}"


def _is_page(scope: Scope) -> bool:
    """Whether the answer may be the HTML page: no file, no Streamlit-internal path."""
    path: str = scope["path"]
    return "." not in path.rsplit("/", 1)[-1] and "/_stcore/" not in path


def _language(accepted: str) -> str:
    return "zh-CN" if accepted.lower().startswith("zh") else "en"
