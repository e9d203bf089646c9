"""An origin is read in one way or not at all."""

from __future__ import annotations

import pytest

from mlsecrets._origin import Origin, origin_of, shown


@pytest.mark.parametrize(
    ("url", "origin", "text"),
    [
        ("https://a.example/x", Origin("https", "a.example", 443), "https://a.example"),
        ("http://a-b_c.example:80", Origin("http", "a-b_c.example", 80), None),
        ("HTTP://Local:8200/", Origin("http", "local", 8200), "http://local:8200"),
        ("http://[::1]:81?x", Origin("http", "::1", 81), "http://[::1]:81"),
        ("http://[0:0::1]/", Origin("http", "::1", 80), "http://[::1]"),
    ],
)
def test_what_a_url_names(url: str, origin: Origin, text: str | None) -> None:
    """Lower case, the port always known, and shown without it where it is usual."""
    assert origin_of(url) == origin
    assert text is None or str(origin) == text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example",
        "a.example",
        "http:/a.example",
        "http://",
        "http://a:b@c",
        "http://@c",
        "http://a:",
        "http://a:65536",
        "http://a:x",
        "http://a b",
        "http://a\\b",
        "http://a\nb",
        "http://[::1",
        "http://[::1%25lo]/",
        "http://[nonsense]/",
        "http://a..b",
        "http://-a",
        "http://a.example./",
        "http://\u00e4.example",
        "http://a%2eb/",
        "http://\u212a.example",  # the Kelvin sign, whose lower case is k
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(url: str) -> None:
    """Characters, ports and hosts that readers of URLs disagree about."""
    with pytest.raises(ValueError, match=r"URL|expected|belong|host|port|zone|cannot"):
        origin_of(url)


def test_a_password_is_not_shown() -> None:
    """For messages about URLs that should not have had one."""
    assert shown("https://me:s3cret@a.example/x@y") == "https://***@a.example/x@y"
    assert shown("https://a.example/x@y") == "https://a.example/x@y"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("10.0.0.1", False),
        ("[::2]", False),
        ("localhost.evil.net", False),
        ("127.0.0.1.evil.net", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, loopback: bool) -> None:  # expected
    """Where clear text exposes nothing; a name that merely looks like it is not."""
    assert origin_of(f"http://{host}:8200").loopback is loopback
