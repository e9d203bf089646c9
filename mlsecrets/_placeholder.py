"""The text that stands for a secret until a message that needs it is sent.

It says which field of which scope is meant, and nothing more: it is the same in every
process and outlives every replacement, and whoever prints, logs or is sent it learns
nothing. All of its characters are unreserved (RFC 3986 §2.3) and may be in a bearer
token (RFC 6750 §2.1), so libraries do not spell it in another way.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

#: Begins every placeholder, and is looked for in every head.
TAG = b"~mlsecrets~"
#: Scopes are named by the manifest's rule, fields by Python's.
_WHOLE = re.compile(rb"~mlsecrets~([a-z][a-z0-9-]*)~([a-z_]+)~")
#: A password that some library has encoded for us (RFC 7617 §2).
_BASIC = re.compile(rb"[ \t]*Basic ([A-Za-z0-9+/=]+)[ \t]*")


class Placeholder(NamedTuple):
    """Which secret is to be written in its place."""

    scope: str
    field: str

    def __str__(self) -> str:
        return f"{TAG.decode()}{self.scope}~{self.field}~"


def pieces(text: bytes) -> Iterator[bytes | Placeholder]:
    """A text as what is sent as it is, and what stands for secrets.

    Raises:
        ValueError: something in it begins like a placeholder and is none.
    """
    at = 0
    while (begin := text.find(TAG, at)) >= 0:
        match = _WHOLE.match(text, begin)
        if match is None:
            raise ValueError("holds a placeholder that was cut or changed")
        yield text[at:begin]
        yield Placeholder(match[1].decode(), match[2].decode())
        at = match.end()
    yield text[at:]


def basic_pair(value: bytes) -> bytes:
    """User and password of a ``Basic`` credential, if a placeholder is in it."""
    match = _BASIC.fullmatch(value)
    if match is None:
        return b""
    try:
        pair = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return b""
    return pair if TAG in pair else b""


def in_header(value: str | bytes) -> bytes:
    """The text of a header's value that holds a placeholder; else empty."""
    raw = value.encode("latin-1", "replace") if isinstance(value, str) else value
    return raw if TAG in raw else basic_pair(raw)
