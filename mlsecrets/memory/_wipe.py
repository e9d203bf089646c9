"""Zeroing `bytes` objects that a standard library call insists on making.

`hmac` and `hashlib` answer with immutable `bytes`. Where that is a derived key, it is
copied out and the object is zeroed in place. That is safe only for an object that was
made a moment ago and that nobody else holds: never for a literal, an argument, or
anything that was hashed, interned or shared.
"""

from __future__ import annotations

import functools
import os
import sys

# One-byte and empty bytes are shared by the whole interpreter (bytesobject.c).
_SMALLEST_OWNED = 2


def wipe_own_bytes(value: bytes) -> bool:
    """Zero a fresh `bytes` object of the caller's in place.

    Returns:
        whether it was zeroed; False on interpreters whose objects look different.
    """
    if len(value) < _SMALLEST_OWNED or not _layout_is_known():
        return False
    import ctypes

    ctypes.memset(id(value) + _PAYLOAD, 0, len(value))
    return True


# The struct ends in the terminating NUL that __basicsize__ counts.
_PAYLOAD = bytes.__basicsize__ - 1


@functools.cache
def _layout_is_known() -> bool:
    """Whether the payload is where CPython puts it, tried on a harmless object."""
    if sys.implementation.name != "cpython":
        return False
    import ctypes

    probe = os.urandom(32)
    return ctypes.string_at(id(probe) + _PAYLOAD, len(probe)) == probe
