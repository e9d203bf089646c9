"""Where a request really goes: scheme, host and port of a URL, read strictly.

A credential follows this answer, so two readers must not understand one URL in two
ways: urllib.parse and urllib3 disagree about backslashes, for example. Whatever a
browser or client might read differently is refused here (RFC 3986 §7.6, RFC 6454 §4).
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*")
_USER = re.compile(r"//[^/?#]*@")
# Printable ASCII without the characters that readers of URLs disagree about.
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")


class Origin(NamedTuple):
    """Scheme, host and port; equal origins are one destination."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{host}" + ("" if default else f":{self.port}")

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine, so that http:// exposes nothing."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def origin_of(url: str) -> Origin:
    """The origin that an http or https URL names.

    Raises:
        ValueError: no such URL, or one that two readers might understand differently.
    """
    if not _PLAIN.fullmatch(url):
        raise ValueError("has characters that do not belong in a URL")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("expected http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("a user name or password does not belong in it")
    if not host:
        raise ValueError("names no host")
    if port is None:
        if parts.netloc.endswith(":"):
            raise ValueError("names no port after ':'")
        port = _DEFAULT_PORTS[parts.scheme]
    # Before Python 3.11.4 urlsplit took any name in brackets.
    host = _checked_address(host) if "[" in parts.netloc else _checked_name(host)
    return Origin(parts.scheme, host, port)


def shown(url: str) -> str:
    """A URL for messages, without the password that somebody may have put in it."""
    return _USER.sub("//***@", url)


def _checked_address(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError("its IPv6 address cannot be read") from None
    if address.scope_id:
        raise ValueError("an IPv6 zone names an interface of one machine only")
    return str(address)


def _checked_name(host: str) -> str:
    if not _NAME.fullmatch(host):
        raise ValueError("its host name cannot be read")
    return host
