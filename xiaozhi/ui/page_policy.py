"""The page's Content-Security-Policy: it loads and asks nothing but what this server gives. Pure.

Streamlit needs some of it: the scripts of its components are blobs, and it writes styles at run
time. No other script can run, and no picture, font or request goes to another origin, whatever
stands in an answer.
"""

import base64
import hashlib
import re
from functools import lru_cache

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
# As a CSP can name it; it cannot name an IPv6 address.
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")


@lru_cache(maxsize=32)
def policy(html: bytes, host: str) -> str:
    """`html`: the page, whose scripts may run as they stand. `host`: the Host header, checked."""
    scripts = " ".join(f"'sha256-{_hash(script)}'" for script in _INLINE.findall(html))
    # Older browsers do not take 'self' for the page's WebSocket.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' blob: {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            f"connect-src 'self'{sockets}",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        ]
    )


def _hash(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()
