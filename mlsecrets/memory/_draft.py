"""Composing a text that holds secrets: a request, a header, a login.

Every byte of a secret goes from locked memory to locked memory. What is public comes as
`bytes` or `str`; what is secret as a `Sealed`, in the spelling that its place asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ._buffer import SecretBuffer
from ._scrub import copy, scrub
from ._sealed import Sealed
from ._wiped import Wiped

#: Bytes at first: most requests are shorter, and locked pages are few.
FIRST_SIZE = 4096
#: What JSON strings hold as it is (RFC 8259 §7), and forms (RFC 3986 §2.3).
_JSON_PLAIN = re.compile(rb'[^"\\\x00-\x1f]+')
_FORM_PLAIN = re.compile(rb"[A-Za-z0-9._~-]+")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Draft(Wiped):
    """A text that grows in locked memory; wiped at the end of its `with` block.

    Args:
        size: bytes that it has room for at first.
    """

    WHAT = "a draft"
    INSTEAD = "send what is needed to compose it there"

    __slots__ = ("_buffer", "_used")

    def __init__(self, size: int = FIRST_SIZE) -> None:
        self._buffer = SecretBuffer(size)
        self._used = 0

    @property
    def sealed(self) -> Sealed:
        """What was composed so far; gone with the block."""
        return Sealed(self._buffer, 0, self._used)

    def add(self, public: str | bytes) -> Draft:
        """Append what is no secret; text as UTF-8."""
        raw = public.encode() if isinstance(public, str) else public
        with self._room(len(raw)) as target:
            target[:] = raw
        return self

    def add_secret(self, value: Sealed) -> Draft:
        """Append a secret as it is."""
        with value.reading() as view, self._room(len(view)) as target:
            copy(target, view)
        return self

    def add_json(self, value: Sealed) -> Draft:
        """Append a secret as the inside of a JSON string."""
        return self._spelled(value, _JSON_PLAIN, _json_escape)

    def add_form(self, value: Sealed) -> Draft:
        """Append a secret as a value of a form (application/x-www-form-urlencoded)."""
        return self._spelled(value, _FORM_PLAIN, b"%%%02X".__mod__)

    def add_base64(self, *parts: bytes | Sealed) -> Draft:
        """Append the base64 (RFC 4648 §4) of parts laid end to end."""
        with Draft() as plain:
            for part in parts:
                plain.add(part) if isinstance(part, bytes) else plain.add_secret(part)
            length = -(-plain.sealed.length // 3) * 4
            with plain.sealed.reading() as view, self._room(length) as target:
                _base64(view, target)
        return self

    def clear(self) -> None:
        """Wipe what was composed, to compose something else in its place."""
        with self._buffer.writable() as view, view[: self._used] as used:
            used[:] = bytes(self._used)
        self._used = 0

    def close(self) -> None:
        """Wipe it."""
        self._buffer.close()

    def __repr__(self) -> str:
        return f"<Draft {self._used} bytes>"

    def _spelled(
        self, value: Sealed, plain: re.Pattern[bytes], escape: Callable[[int], bytes]
    ) -> Draft:
        with value.reading() as view:
            at = 0
            while at < len(view):
                end = _run(plain, view, at)
                if end > at:
                    with view[at:end] as part, self._room(end - at) as target:
                        copy(target, part)
                    at = end
                else:
                    self.add(escape(view[at]))  # one byte of it: tells nothing
                    at += 1
        return self

    @contextmanager
    def _room(self, length: int) -> Iterator[memoryview]:
        """Where the next bytes go."""
        self._make_room(length)
        with self._buffer.writable() as view:
            with view[self._used : self._used + length] as target:
                yield target
            self._used += length

    def _make_room(self, length: int) -> None:
        if self._used + length <= self._buffer.size:
            return
        larger = SecretBuffer(max(2 * self._buffer.size, self._used + length))
        with self._buffer.reading() as old, larger.writable() as new:
            copy(new[: self._used], old[: self._used])
        self._buffer.close()
        self._buffer = larger


def _run(plain: re.Pattern[bytes], view: memoryview, at: int) -> int:
    """Where a run of plain bytes that begins at `at` ends."""
    # The match holds the view, and so must not outlive this.
    match = plain.match(view, at)
    return at if match is None else match.end()


def _json_escape(byte: int) -> bytes:
    return b"\\" + bytes([byte]) if byte in b'"\\' else b"\\u%04x" % byte


def _base64(view: memoryview, target: memoryview) -> None:
    at = 0
    for i in range(0, len(view), 3):
        group = view[i : i + 3]
        bits = 0
        for j in range(3):
            bits = bits << 8 | (group[j] if j < len(group) else 0)
        for j in range(4):
            digit = _BASE64[bits >> 18 - 6 * j & 63]
            target[at + j] = digit if j <= len(group) else ord("=")
        group.release()
        at += 4
    scrub()
