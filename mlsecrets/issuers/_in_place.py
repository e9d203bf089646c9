"""Reading and rewriting text where it lies: no part of it becomes a Python object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..memory import Sealed, scrub

# Well-formed UTF-8 (Unicode 15, table 3-7), so many characters at once: each round of a
# group costs `re` memory.
_UTF8 = re.compile(
    rb"(?:[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]"
    rb"|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}){1,1000}"
)

#: What each hexadecimal digit is worth, by its byte.
DIGITS = {ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}


@contextmanager
def rewriting(text: Sealed) -> Iterator[memoryview]:
    """A writable view of a text, for a block that reads it and un-escapes it."""
    with (
        text.buffer.writable() as whole,
        whole[text.offset : text.offset + text.length] as view,
    ):
        try:
            yield view
        finally:
            scrub()


def end_of(pattern: re.Pattern[bytes], view: memoryview, at: int) -> int:
    """Where a match that begins at `at` ends; `at` itself if there is none."""
    # A match object holds on to the view, so it must not outlive this function.
    match = pattern.match(view, at)
    return at if match is None else match.end()


def next_end(pattern: re.Pattern[bytes], view: memoryview, at: int) -> int | None:
    """Where the first match from `at` on ends; None if there is none."""
    match = pattern.search(view, at)
    return None if match is None else match.end()


def is_utf8(view: memoryview) -> bool:
    """Whether the whole of it is UTF-8 (surrogates are not: RFC 3629 §3)."""
    at = 0
    while at < len(view):
        end = end_of(_UTF8, view, at)
        if end == at:
            return False
        at = end
    return True


class Rewrite:
    """Un-escapes a stretch of text into itself: what is written is never longer.

    Args:
        view: the text, writable.
        start: where the stretch begins.
    """

    __slots__ = ("_at", "_view", "start")

    def __init__(self, view: memoryview, start: int) -> None:
        self._view = view
        self._at = start
        self.start = start

    def keep(self, start: int, end: int) -> None:
        """These bytes stay as they are, moved up behind what was written so far."""
        if start != self._at:
            # Overlapping is fine: CPython uses memmove.
            self._view[self._at : self._at + end - start] = self._view[start:end]
        self._at += end - start

    def put(self, point: int) -> None:
        """The UTF-8 of one character, whose escape was at least as long."""
        for byte in chr(point).encode():
            self._view[self._at] = byte
            self._at += 1

    def finish(self, end: int) -> int:
        """Zero what is left up to `end`.

        Returns:
            the length of what was written.
        """
        self._view[self._at : end] = bytes(end - self._at)
        return self._at - self.start
