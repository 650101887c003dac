"""Host and Origin headers as they come, and as they are meant."""

import pytest

from xiaozhi.host_names import Host, is_loopback, is_same_origin, matches, parse, pattern


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", Host("localhost", None)),
        ("localhost:8501", Host("localhost", 8501)),
        ("LocalHost.:8501", Host("localhost", 8501)),
        ("127.0.0.1:8501", Host("127.0.0.1", 8501)),
        ("[::1]:8501", Host("::1", 8501)),
        ("[0:0:0:0:0:0:0:1]", Host("::1", None)),
        ("[::ffff:127.0.0.1]:80", Host("127.0.0.1", 80)),
        ("小智.example", Host("xn--yet65v.example", None)),
    ],
)
def test_a_host_is_read(header: str, host: Host):
    assert parse(header) == host


@pytest.mark.parametrize(
    "header",
    [
        "",
        ".",
        ":8501",
        "a b",
        "a,b",
        "user@localhost",
        "localhost:",
        "localhost:x",
        "localhost/x",
        "[::1",
        "::1",
        "[evil]",
        "localhost:123456",
        "localhost\x00",
        "a\\b",
        "http://localhost",
    ],
)
def test_what_is_no_host_is_none(header: str):
    assert parse(header) is None


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(name: str):
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name",
    [
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "127.1",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "8.8.8.8",
        "::2",
    ],
)
def test_another_one(name: str):
    assert not is_loopback(name)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8501", "localhost:8501"),
        ("http://LOCALHOST:8501", "localhost.:8501"),
        ("http://[::1]:8501", "[::1]:8501"),
        ("https://zero.example", "zero.example"),
        ("https://zero.example", "zero.example:443"),
        ("http://zero.example:80", "zero.example"),
    ],
)
def test_a_page_of_this_server(origin: str, host: str):
    parsed = parse(host)
    assert parsed
    assert is_same_origin(origin, parsed)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "file://",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:8501",
        "http://evil.example:8501",
        "http://localhost:8501.evil.example",
        "localhost:8501",
        "http://localhost:8501/",
        "http://localhost:8501@evil.example",
        "https://localhost",
        "chrome-extension://localhost:8501",
    ],
)
def test_a_page_of_another_origin(origin: str):
    assert not is_same_origin(origin, Host("localhost", 8501))


def test_what_may_be_written_in_the_setting():
    assert pattern("Zero.Example.") == "zero.example"
    assert pattern("https://zero.example:8443/") == "zero.example"
    assert pattern("*.Example.com") == "*.example.com"
    assert pattern("fd00::1") == pattern("[fd00::1]:80") == "fd00::1"
    assert pattern("*") == "*"
    for wrong in ("", "a b", "*.", "*a.example", "a.*.example", "-", "ftp://x", "[x]"):
        with pytest.raises(ValueError, match="is no host name"):
            pattern(wrong)


def test_a_star_stands_for_any_name_below_another():
    below = frozenset({"*.example.com", "zero"})
    assert matches("a.example.com", below)
    assert matches("a.b.example.com", below)
    assert matches("zero", below)
    for other in ("example.com", "badexample.com", "example.com.evil.example", "a.zero"):
        assert not matches(other, below)
    assert matches("anything", frozenset({"*"}))
