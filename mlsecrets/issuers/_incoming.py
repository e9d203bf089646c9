"""An answer as it arrives: one stretch of locked memory that grows as needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import IncompleteRead, LineTooLong, RemoteDisconnected

from ..memory import Sealed, SecretBuffer, copy
from ._broken import Malformed, TooLarge

#: An issuer's answer is a few KiB; OpenBao's own request limit is 32 MiB.
MAX_ANSWER_BYTES = 1 << 20
#: Bytes of a head, and of all that stands between chunks (a line of `http.client`'s).
MAX_HEAD_BYTES = 1 << 16
#: Bytes at first, one page: most answers are shorter, and an unprivileged process may
#: lock 64 KiB.
FIRST_SIZE = 4096

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_LINE = re.compile(rb"\n")


class Incoming:
    """What was received so far.

    Args:
        receive: fills a part of a view and says how much; 0 at the end.

    Attributes:
        filled: bytes received.
    """

    def __init__(self, receive: Callable[[memoryview], int]) -> None:
        self._receive = receive
        self._buffer = SecretBuffer(FIRST_SIZE)
        self.filled = 0

    def part(self, start: int, end: int) -> Sealed:
        """These bytes, where they are; valid until more is received."""
        return Sealed(self._buffer, start, end - start)

    def public(self, start: int, end: int) -> bytes:
        """A copy of bytes that are no secret."""
        with self.part(start, end).reading() as view:
            return bytes(view)

    def after_head(self, start: int) -> int:
        """Where the head ends that begins at `start`: after its empty line.

        Raises:
            HTTPException: there is none.
            OSError: nothing came in time, or it broke.
        """
        while self.filled < start + 5:
            if not self.more():
                raise RemoteDisconnected("no answer")
        if self.public(start, start + 5) != b"HTTP/":
            raise Malformed("no HTTP")
        return self._after(_EMPTY_LINE, start)

    def after_line(self, start: int) -> int:
        """Where the line ends that begins at `start`, after its line feed.

        Raises:
            HTTPException: it does not.
            OSError: nothing came in time, or it broke.
        """
        return self._after(_LINE, start)

    def wait_for(self, end: int) -> None:
        """Receive up to the byte at `end`.

        Raises:
            IncompleteRead: there are not as many.
            OSError: nothing came in time, or it broke.
        """
        self._make_room(end)
        while self.filled < end:
            if not self.more():
                raise IncompleteRead(b"")

    def more(self) -> bool:
        """Receive what there is, at least a byte; False at the end.

        Raises:
            TooLarge: that is more than any answer may have.
            OSError: nothing came in time, or it broke.
        """
        self._make_room(self.filled + 1)
        with self._buffer.writable() as view, view[self.filled :] as room:
            got = self._receive(room)
        self.filled += got
        if self.filled > MAX_ANSWER_BYTES + MAX_HEAD_BYTES:
            raise TooLarge(MAX_ANSWER_BYTES)
        return got > 0

    def move(self, start: int, end: int, to: int) -> None:
        """Move bytes towards the front."""
        with (
            self._buffer.writable() as view,
            view[start:end] as source,
            view[to : to + end - start] as target,
        ):
            copy(target, source)

    def close(self) -> None:
        """Wipe it."""
        self._buffer.close()

    def _after(self, mark: re.Pattern[bytes], start: int) -> int:
        searched = start
        while (end := self._search(mark, searched)) is None:
            if self.filled - start > MAX_HEAD_BYTES:
                raise LineTooLong("head")
            searched = max(start, self.filled - 2)  # the mark may be half there
            if not self.more():
                raise IncompleteRead(b"")
        return end

    def _search(self, mark: re.Pattern[bytes], start: int) -> int | None:
        with self.part(start, self.filled).reading() as view:
            return _end(mark, view, start)

    def _make_room(self, size: int) -> None:
        if size <= self._buffer.size:
            return
        larger = SecretBuffer(max(size, 2 * self._buffer.size))
        with (
            self._buffer.reading() as old,
            larger.writable() as new,
            old[: self.filled] as source,
            new[: self.filled] as target,
        ):
            copy(target, source)
        self._buffer.close()
        self._buffer = larger


def _end(mark: re.Pattern[bytes], view: memoryview, start: int) -> int | None:
    # The match holds the view, and so must not outlive this.
    match = mark.search(view)
    return None if match is None else start + match.end()
