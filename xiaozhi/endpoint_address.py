"""The address of a model endpoint and its key, as people write them."""

from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`url`: without credentials, to be shown. `headers`: with which it is asked."""

    url: str
    headers: dict[str, str] = field(repr=False)
    query: str = ""

    @classmethod
    def of(cls, address: str, key: str | None) -> "Endpoint":
        """`address`: ends in /v1 as a rule; may hold user:password@ and a query.

        What stands in the address goes before `key`. Raises ValueError.
        """
        parts = split(address)
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        host = parts.hostname or ""
        place = f"[{host}]" if ":" in host else host
        if parts.port is not None:
            place += f":{parts.port}"
        return cls(f"{parts.scheme}://{place}{path}", _headers(parts, key), parts.query)

    def at(self, path: str) -> str:
        """`path`: as in "/models"."""
        return f"{self.url}{path}?{self.query}" if self.query else self.url + path

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_openais(self) -> bool:
        return self.host.endswith((".openai.com", ".openai.azure.com"))

    @property
    def is_on_this_machine(self) -> bool:
        host = self.host
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False

    def is_same_place(self, url: str) -> bool:
        """Whether what is sent to `url` stays with this host, and as safe as it is here."""
        ours, theirs = urlsplit(self.url), urlsplit(url)
        if ours.hostname != theirs.hostname:
            return False
        is_upgrade = (ours.scheme, theirs.scheme) == ("http", "https")
        if is_upgrade and ours.port in (None, 80) and theirs.port in (None, 443):
            return True
        return (ours.scheme, _port(ours)) == (theirs.scheme, _port(theirs))


def shown(url: str) -> str:
    """Where it leads, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def split(address: str) -> SplitResult:
    """The parts of an address of HTTP. Raises ValueError, in a sentence."""
    address = address.strip()
    if not address.isprintable() or " " in address:
        raise ValueError("it must be one line without spaces")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and name a host")
    if parts.port == 0:  # raises ValueError, too, where it is no number
        raise ValueError("its port cannot be 0")
    return parts


def clean_key(key: str | None) -> str | None:
    """Without the line end of the file that it was read from. Raises ValueError."""
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("it must be one line of ASCII characters without spaces")
    return key or None


def _headers(parts: SplitResult, key: str | None) -> dict[str, str]:
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    key = clean_key(key)
    if key is None:
        return {}
    if (parts.hostname or "").endswith(".azure.com") and "api-version=" in parts.query:
        # Azure's older addresses, of one deployment each, take no bearer.
        return {"api-key": key}
    return {"Authorization": f"Bearer {key}"}


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
