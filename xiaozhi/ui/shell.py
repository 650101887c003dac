"""The HTML around the page, which Streamlit keeps to itself: title, language, style, scrolling.

And what of Streamlit's own routes is served; the others, such as its metrics, are of no use here.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xiaozhi.ui import page_policy, script_words

STATIC = Path(__file__).parent / "static"
TITLE = "小智·Zero"
# The page's own colours (.streamlit/config.toml), for the browser's frame around it
COLOURS = {"light": "#FFFFFF", "dark": "#1A1A1E"}

STREAMLITS = ("bidi-components", "health", "host-config", "stream", "upload_file")


class Shell:
    """Rewrites the one HTML page; everything else that is served passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._head = (
            # Not deferred, so that it runs before Streamlit's code does
            f'<script src="{_address("theme.js")}"></script>'
            f'<link rel="stylesheet" href="{_address("zero.css")}">'
            f'<script src="{_address("scroll.js")}" defer></script>'
            f'<script src="{_address("sidebar.js")}" defer></script>'
            f'<script src="{_address("shortcuts.js")}" defer></script>'
            f'<script src="{_address("streamlit_words.js")}" defer></script>'
            '<link rel="manifest" href="./app/static/manifest.json">'
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_served(scope):
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_page(scope):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        cookies = cookie_parser(asked.get("cookie", ""))
        language = _language(cookies, asked.get("accept-language", ""))
        head = self._head + _colours(cookies) + script_words.script(language)
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
                body = _rewritten(body, language, head)
                del told["etag"]
                told["content-length"] = str(len(body))
                told["vary"] = "accept-language, cookie"
                told["content-security-policy"] = page_policy.policy(body, asked.get("host", ""))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app({**scope, "headers": headers}, receive, rewritten)


def _rewritten(html: bytes, language: str, head: str) -> bytes:
    html = html.replace(b'<html lang="en">', f'<html lang="{language}">'.encode(), 1)
    html = html.replace(b"<title>Streamlit</title>", f"<title>{TITLE}</title>".encode(), 1)
    return html.replace(b"</head>", head.encode() + b"</head>", 1)


def _address(name: str) -> str:
    """Another one for each content: a browser keeps what it has fetched."""
    content = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"./app/static/{name}?{content}"


def _is_served(scope: Scope) -> bool:
    """Of Streamlit's own routes, those that the page uses."""
    _before, mark, route = scope.get("path", "").partition("/_stcore/")
    return not mark or route.split("/", 1)[0] in STREAMLITS


def _is_page(scope: Scope) -> bool:
    """Whether the answer may be the HTML page: no file, no Streamlit-internal path."""
    path: str = scope["path"]
    return "." not in path.rsplit("/", 1)[-1] and "/_stcore/" not in path


def _language(cookies: Mapping[str, str], accepted: str) -> str:
    """The one that was chosen, before the browser's: as `texts.language` has it."""
    chosen = cookies.get("zero_language")
    is_chinese = chosen == "zh" if chosen in ("zh", "en") else accepted.lower().startswith("zh")
    return "zh-CN" if is_chinese else "en"


def _colours(cookies: Mapping[str, str]) -> str:
    chosen = COLOURS.get(cookies.get("zero_theme", ""))
    if chosen:
        return f'<meta name="theme-color" content="{chosen}">'
    return "".join(
        f'<meta name="theme-color" media="(prefers-color-scheme: {scheme})" content="{colour}">'
        for scheme, colour in COLOURS.items()
    )
