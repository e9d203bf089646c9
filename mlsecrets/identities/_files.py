"""Reading the small files that identities are made of."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._forks import closes
from ..errors import IdentityError
from ..memory import Sealed, SecretBuffer

#: A JWT with many claims is a few KiB; anything larger is not an identity.
MAX_BYTES = 64 * 1024

_ASCII = re.compile(rb"[\x00-\x7f]*")
_SPACE = b" \t\n\r\v\f"


@contextmanager
def identity_file(path: Path, what: str) -> Iterator[Sealed]:
    """The content of a file for a `with` block, without the white space around it.

    Read fresh, because platforms rotate them in place, and straight into locked memory.

    Args:
        what: what errors call the content, such as ``the secret id``.

    Raises:
        IdentityError: it is missing, unreadable, empty, too large or not ASCII.
    """
    remedy = f"have the platform write {what} there, readable by this user only"
    try:
        buffer, length = _read(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise IdentityError(
            f"{what} cannot be read from {path}: {reason.lower()}", remedy=remedy
        ) from None
    with buffer:
        if length > MAX_BYTES:
            raise IdentityError(f"{path} is too large to be {what}", remedy=remedy)
        content = _stripped(buffer, length)
        if content is None:
            raise IdentityError(f"{path} is not {what}: not ASCII", remedy=remedy)
        if len(content) == 0:
            raise IdentityError(
                f"{what} cannot be read from {path}: empty", remedy=remedy
            )
        yield content


def _read(path: Path) -> tuple[SecretBuffer, int]:
    """The file's bytes, and how many there are: over `MAX_BYTES` if there are more."""
    with path.open("rb", buffering=0) as file:
        closes(file)
        # Room for one byte more than it says, to see that this is all. Pipes and files
        # that the kernel makes up say 0.
        size = min(os.fstat(file.fileno()).st_size, MAX_BYTES) or MAX_BYTES
        buffer = SecretBuffer(size + 1)
        length = _fill(file, buffer)
        if length <= size or size == MAX_BYTES:
            return buffer, length
        # It has grown meanwhile.
        buffer.close()
        file.seek(0)
        buffer = SecretBuffer(MAX_BYTES + 1)
        return buffer, _fill(file, buffer)


def _fill(file: io.FileIO, buffer: SecretBuffer) -> int:
    length = 0
    with buffer.writable() as view:
        while length < len(view):
            with view[length:] as room:
                got = file.readinto(room)
            if not got:
                break
            length += got
    return length


def _stripped(buffer: SecretBuffer, length: int) -> Sealed | None:
    """The text without white space around it; None if it is not ASCII."""
    start, end = 0, length
    with buffer.reading() as whole, whole[:length] as view:
        if _ASCII.fullmatch(view) is None:
            return None
        while start < end and view[start] in _SPACE:
            start += 1
        while start < end and view[end - 1] in _SPACE:
            end -= 1
    return Sealed(buffer, start, end - start)
