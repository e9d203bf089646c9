"""Holding a secret where it can be wiped, and wiping it when nobody reads it.

The bytes live in memory of our own (`_pages`), never in a Python object, until
somebody asks for `text`. Readers are counted: `close` refuses new ones at once and the
last one out wipes, so that nobody signs a request with a half-zeroed key.

A forked child owns none of this: the kernel gave it zeros, and the lock may have been
held by a thread that does not exist there. So every method looks at the pid first.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from ._content import Content, View
from ._protection import Protection
from ._scrub import copy, scrub
from ._utf8 import encode_into, encoded_length
from ._wiped import Wiped

Bytes: TypeAlias = bytes | bytearray | memoryview


class Slot(NamedTuple):
    """Where one value lies in a buffer; both in bytes."""

    offset: int
    length: int


class SecretBuffer(Wiped):
    """Locked, undumpable memory for one secret (or several laid end to end).

    Args:
        size: how many bytes it holds; they begin as zeros.
    """

    WHAT = "a secret buffer"
    INSTEAD = "send the lease's reference, or share it and close it once"

    __slots__ = ("__weakref__", "_content", "_size", "_slots")

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"expected a size of 0 bytes or more, got {size}")
        self._size = size
        self._slots: tuple[Slot, ...] = (Slot(0, size),)
        self._content = Content(size)
        # Not at interpreter exit: finalisers run before the exit hook that ends what is
        # leased, which still needs the secrets to do so. The kernel takes the pages.
        weakref.finalize(self, self._content.close).atexit = False

    @classmethod
    def of(cls, *values: str | Bytes) -> SecretBuffer:
        """A buffer with these values end to end; `slots` says where each lies.

        Copies without leaving another copy behind. The values themselves stay where
        they are: a bytearray can be zeroed by its owner afterwards, a `str` cannot.
        """
        raw = [v if isinstance(v, str) else memoryview(v).cast("B") for v in values]
        lengths = [encoded_length(v) if isinstance(v, str) else len(v) for v in raw]
        buffer = cls(sum(lengths))
        buffer._slots = tuple(_end_to_end(lengths))
        with buffer.writable() as view:
            for value, (offset, length) in zip(raw, buffer._slots, strict=True):
                if isinstance(value, str):
                    encode_into(value, view[offset : offset + length])
                else:
                    view[offset : offset + length] = value
        scrub()
        return buffer

    @property
    def protection(self) -> Protection:
        """Which protections this mapping got, and why not the others."""
        return self._content.pages.protection

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._size

    @property
    def slots(self) -> tuple[Slot, ...]:
        """(offset, length) of each value, in the order given."""
        return self._slots

    @property
    def address(self) -> int:
        """Where the bytes lie in this process, for searches by address."""
        return self._content.pages.address

    @property
    def closed(self) -> bool:
        """Whether new readers are refused; always so in a forked child."""
        return self._content.closing or os.getpid() != self._content.pid

    def write(self, offset: int, data: Bytes) -> None:
        """Copy `data` in, beginning at byte `offset`."""
        source = memoryview(data).cast("B")
        self._check(offset, len(source))
        with self.writable() as view:
            copy(view[offset : offset + len(source)], source)

    def writable(self) -> View:
        """A writable view of all bytes for a `with` block, for ``recv_into``."""
        return View(self, self._content, readonly=False)

    def reading(self) -> View:
        """A read-only view of all bytes for a `with` block.

        Raises:
            SecretBufferClosed: closed, or in a forked child (on entering the block).
        """
        return View(self, self._content, readonly=True)

    def text(self, offset: int = 0, length: int | None = None) -> str:
        """Reveal a slot as `str`, which nobody can wipe: the one way out.

        Raises:
            SecretBufferClosed: closed, or in a forked child.
            ValueError: outside the buffer, or not UTF-8.
        """
        if length is None:
            length = self._size - offset
        self._check(offset, length)
        view = self._content.enter()
        try:
            return str(view[offset : offset + length], "utf-8")
        except UnicodeDecodeError:
            pass  # its traceback carries the bytes: leave it behind
        finally:
            self._content.leave()
            scrub()
        raise ValueError("secret is not UTF-8 text")

    def equals(self, other: SecretBuffer) -> bool:
        """Whether both hold the same bytes, in time that depends only on the size."""
        import hmac

        with self.reading() as mine, other.reading() as theirs:
            return hmac.compare_digest(mine, theirs)

    def close(self) -> None:
        """Refuse new readers now; wipe and unmap when the last one has left."""
        self._content.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.protection.kind
        return f"<SecretBuffer {self._size} bytes, {state}>"

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self._size:
            raise ValueError(
                f"expected a slot within {self._size} bytes, "
                f"got {length} bytes at {offset}"
            )


def _end_to_end(lengths: Iterable[int]) -> Iterable[Slot]:
    offset = 0
    for length in lengths:
        yield Slot(offset, length)
        offset += length
