"""One value inside a secret buffer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ._buffer import SecretBuffer
from ._opaque import Opaque


class Sealed(Opaque):
    """Where a value lies in locked memory: passed around instead of the value.

    Args:
        buffer: holds it, and is kept from being dropped by this.
        offset, length: which bytes of the buffer.
    """

    WHAT = "a sealed value"
    INSTEAD = "send the lease's reference"

    __slots__ = ("buffer", "length", "offset")

    def __init__(self, buffer: SecretBuffer, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > buffer.size:
            raise ValueError(
                f"expected a value within {buffer.size} bytes, "
                f"got {length} bytes at {offset}"
            )
        self.buffer = buffer
        self.offset = offset
        self.length = length

    @contextmanager
    def reading(self) -> Iterator[memoryview]:
        """A read-only view of the value for a `with` block.

        Raises:
            SecretBufferClosed: it has been wiped.
        """
        with self.buffer.reading() as whole:
            view = whole[self.offset : self.offset + self.length]
            try:
                yield view
            finally:
                with suppress(BufferError):  # somebody keeps an array on top of it
                    view.release()

    def text(self) -> str:
        """Reveal it as a `str`, which nobody can wipe.

        Raises:
            SecretBufferClosed: it has been wiped.
            ValueError: it is not UTF-8.
        """
        return self.buffer.text(self.offset, self.length)

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        return f"<Sealed {self.length} bytes>"
