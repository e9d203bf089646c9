"""The head of an answer: nothing in it is secret, so it may become text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from ._broken import Compressed, Malformed

#: A status line and header lines (RFC 9112 §2.1, §5), which the email parser below
#: would read whatever they look like. Lines may be folded, and end in LF alone.
_LINES = re.compile(
    rb"[^\r\n]*\r?\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r?\n(?:[ \t]+[^\r\n\0]*\r?\n)*)*"
    rb"\r?\n"
)
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1[0-9][0-9][ \r\n]")


class Headers(Mapping[str, str]):
    """By name in any case; of several with one name, the first."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in items:
            self._values.setdefault(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class Head:
    """What an answer says of itself.

    Attributes:
        status: the HTTP status code.
        headers: as received.
        chunked: whether the body comes in chunks.
        length: bytes of the body; None if it is chunked, or ends with the connection.
        keeps: whether the server keeps the connection.
    """

    status: int
    headers: Mapping[str, str]
    chunked: bool
    length: int | None
    keeps: bool


def is_interim(raw: bytes) -> bool:
    """Whether another head follows (RFC 9110 §15.2)."""
    return _INTERIM.match(raw) is not None


def read_head(raw: bytes) -> Head:
    """Understand a head.

    Args:
        raw: up to its empty line, and with it.

    Raises:
        HTTPException: it is none, or makes no sense.
        Compressed: the body is encoded.
    """
    if not _LINES.fullmatch(raw):
        raise Malformed("headers")
    response = HTTPResponse(_Socket(raw))  # type: ignore[arg-type]  # all it asks for
    with response:
        response.begin()
    headers = response.headers
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Compressed("body")
    transfer = headers.get_all("Transfer-Encoding", [])
    if transfer and [value.strip().lower() for value in transfer] != ["chunked"]:
        raise Malformed("Transfer-Encoding")
    chunked = bool(transfer)
    empty = response.status in {204, 304}
    length = 0 if empty else _length(headers.get_all("Content-Length", []))
    return Head(
        response.status,
        Headers(headers.items()),
        chunked and not empty,
        None if chunked and not empty else length,
        # Without a length, the body ends with the connection; with both a length and
        # chunks, somebody in between may have taken the other one (RFC 9112 §6.1).
        not response.will_close and not (chunked and length is not None),
    )


class _Socket:
    """What `HTTPResponse` reads a head from."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _length(values: list[str]) -> int | None:
    """The one Content-Length (RFC 9112 §6.3: anything else is an error)."""
    said = {part.strip() for value in values for part in value.split(",")}
    if not said:
        return None
    text = said.pop()
    if said or not re.fullmatch(r"[0-9]{1,18}", text):
        raise Malformed("Content-Length")
    return int(text)
