"""The ways to write a secret, laid out in locked memory to be searched for.

They are written byte by byte: single bytes are integers that the interpreter shares, so
laying them out leaves no copy behind. They are made at the first search, and wiped with
the credentials.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..credentials import Credentials
from ..memory import SecretBuffer, scrub
from ..memory._spellings import (
    BASE64,
    BASE64_URL,
    UNRESERVED,
    base64,
    hexadecimal,
    json_escaped,
    percent_quoted,
)

#: Bytes of a secret that are looked for, its last ones: a token may begin like others
#: do (the header of a JWT), and no two end alike.
WINDOW = 48
#: Shorter ones turn up by chance inside of longer texts.
SHORTEST = 8
#: So do those of fewer different bytes, such as a row of zeros.
FEWEST_DISTINCT = 5
#: Bytes that all spellings of one byte take at most: plain 1, hex twice 2, base64 six
#: times 4/3, percent twice 3, JSON twice 2.
_GROWTH = 23

_SPACE = b" \t\r\n"  # around a stored value, and often stripped by who reads it


class Spelling(NamedTuple):
    """One way to write one field, and where in the buffer it is written so.

    Attributes:
        field: of the credentials.
        form: such as ``base64``; empty for the secret as it is.
        offset, length: in bytes.
        alone: it counts only as the whole of a text.
    """

    field: str
    form: str
    offset: int
    length: int
    alone: bool = False


class Spellings:
    """Those of one credential's secrets.

    Args:
        credentials: whose; when they are wiped, so is this.

    Raises:
        SecretBufferClosed: they have been.
    """

    def __init__(self, credentials: Credentials) -> None:
        with credentials.buffer.reading() as secrets:
            windows = {}
            for field in credentials.FIELDS:
                offset, length = credentials.slot(field)
                windows[field] = _window(secrets[offset : offset + length])
            room = sum(map(len, windows.values()))
            self.buffer = SecretBuffer(_GROWTH * room)
            credentials.wipe_along(self.buffer)
            with self.buffer.writable() as target:
                self.known = tuple(_lay_out(windows, target))
            for window in windows.values():
                window.release()
        scrub()


_MADE: weakref.WeakKeyDictionary[Credentials, Spellings] = weakref.WeakKeyDictionary()


def spellings(credentials: Credentials) -> Spellings:
    """The credential's; made once.

    Raises:
        SecretBufferClosed: it has been wiped.
    """
    made = _MADE.get(credentials)
    if made is None:
        made = _MADE[credentials] = Spellings(credentials)
    return made


def _window(secret: memoryview) -> memoryview:
    end = len(secret)
    while end and secret[end - 1] in _SPACE:
        end -= 1
    tail = secret[max(end - WINDOW, 0) : end]
    return tail if len(set(tail)) >= FEWEST_DISTINCT else secret[:end]


def _lay_out(windows: dict[str, memoryview], target: memoryview) -> Iterator[Spelling]:
    at = 0
    for field, window in windows.items():
        alone = len(window) < SHORTEST or len(set(window)) < FEWEST_DISTINCT
        known: list[memoryview] = []
        for form, letters in _forms(window):
            if alone and form:
                continue
            start = at
            for byte in letters:
                target[at] = byte
                at += 1
            written = target[start:at]
            if len(written) and written not in known:
                yield Spelling(field, form, start, len(written), alone)
                known.append(written)
            else:
                at = start
        for written in known:
            written.release()


def _forms(value: memoryview) -> Iterator[tuple[str, Iterable[int]]]:
    yield "", value
    for upper in (False, True):
        yield "hex", hexadecimal(value, upper=upper)
    for alphabet in (BASE64, BASE64_URL):
        # What stands before it in the encoded text decides how it is divided there.
        for skip in range(3):
            yield "base64", base64(value, skip, alphabet)
    for kept in (UNRESERVED, UNRESERVED | {ord("/")}):
        yield "percent-encoded", percent_quoted(value, kept)
    for escaped in (b'"\\', b'"\\/'):  # RFC 8259 §7 lets a slash be escaped, too
        yield "in JSON", json_escaped(value, escaped)
