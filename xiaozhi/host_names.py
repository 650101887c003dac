"""Host names as they stand in URLs, Host and Origin headers, and in the setting `allowed_hosts`.

Pure. A name is compared in one form: lower case, without a final dot, international names in ASCII,
IPv6 addresses without brackets.
"""

import ipaddress
import re
from typing import NamedTuple

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x1f\[\]:/?#@\\,]+)(:(?P<port>\d{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]+)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_PATTERN = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
EVERY = "*"


class Host(NamedTuple):
    """`port`: None where none was written, i.e. the scheme's own."""

    name: str
    port: int | None


def parse(host: str) -> Host | None:
    """`host`: the value of a Host header, or what stands between `//` and the path of a URL.

    None where it cannot be one.
    """
    parts = _HOST.fullmatch(host)
    name = _canonical(parts["name"]) if parts else None
    if parts is None or name is None:
        return None
    return Host(name, int(parts["port"]) if parts["port"] else None)


def is_same_origin(origin: str, host: Host) -> bool:
    """Whether `origin`, the header, is the one that a page has which was loaded from `host`.

    Its scheme is believed: TLS may end at a proxy.
    """
    parts = _ORIGIN.fullmatch(origin)
    other = parse(parts["host"]) if parts else None
    if parts is None or other is None or other.name != host.name:
        return False
    default = _PORTS[parts["scheme"].lower()]
    return (other.port or default) == (host.port or default)


def is_address(name: str) -> bool:
    """Whether it is an IP address. `name`: of a Host."""
    return _address(name) is not None


def is_loopback(name: str) -> bool:
    """`name`: of a Host."""
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


def pattern(text: str) -> str:
    """One entry of `allowed_hosts`: a name, an address, `*.example.com`, or `*` for every name.

    A scheme, a port and a path are left out: they are often copied along. Raises ValueError.
    """
    host = text.strip().removeprefix("http://").removeprefix("https://").partition("/")[0]
    if host == EVERY:
        return host
    # An IPv6 address is also understood without its brackets.
    found = parse(f"[{host}]" if host.count(":") > 1 and "[" not in host else host)
    if found is None or not (is_address(found.name) or _PATTERN.fullmatch(found.name)):
        raise ValueError(f"'{text.strip()}' is no host name")
    return found.name


def matches(name: str, patterns: frozenset[str]) -> bool:
    """`name`: of a Host. `patterns`: as `pattern` gives them."""
    if name in patterns or EVERY in patterns:
        return True
    above = name
    while (dot := above.find(".")) >= 0:
        above = above[dot + 1 :]
        if f"*.{above}" in patterns:
            return True
    return False


def _canonical(name: str) -> str | None:
    if name.startswith("["):
        address = _address(name[1:-1])
        return str(address) if address else None
    name = name.lower().removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    return name or None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IPv4 address where an IPv6 address only wraps one."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address
