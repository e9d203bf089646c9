"""UTF-8 without an intermediate `bytes` object.

`str.encode` leaves a copy on the heap that nobody can wipe. ASCII, which nearly every
secret is, lies in a `str` as the very bytes that are wanted. Of other text the code
points are taken one at a time: small integers that the interpreter shares, or that
tell one character each.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

_PYBUF_READ = 0x100  # object.h
# RFC 3629 §3: the first code point that needs 2, 3 and 4 bytes.
_TWO, _THREE, _FOUR = 0x80, 0x800, 0x10000
_SURROGATES = range(0xD800, 0xE000)


def encoded_length(text: str) -> int:
    """How many bytes `text` takes as UTF-8.

    Raises:
        ValueError: it has a lone surrogate, which UTF-8 cannot express. (Not
            UnicodeEncodeError, which would carry the text.)
    """
    if text.isascii():
        return len(text)
    length = 0
    for point in map(ord, text):
        if point in _SURROGATES:
            raise ValueError("secret has a lone surrogate, which is not text")
        length += 1 + (point >= _TWO) + (point >= _THREE) + (point >= _FOUR)
    return length


def encode_into(text: str, target: memoryview) -> None:
    """Write `text` as UTF-8 into `target`, which has its `encoded_length`."""
    source = _ascii(text)
    if source is not None:
        with source:
            target[:] = source
        return
    at = 0
    for point in map(ord, text):
        if point < _TWO:
            target[at] = point
            at += 1
            continue
        rest = 1 + (point >= _THREE) + (point >= _FOUR)
        # The lead byte has as many leading ones as the sequence has bytes.
        target[at] = (0xFF00 >> rest + 1 & 0xFF) | point >> 6 * rest
        for i in range(1, rest + 1):
            target[at + i] = 0x80 | point >> 6 * (rest - i) & 0x3F
        at += rest + 1


def _ascii(text: str) -> memoryview | None:
    """The characters of an ASCII string where they lie, if that can be told.

    Of any other string CPython would make a UTF-8 copy for this, and keep it.
    """
    if not text.isascii() or type(text) is not str:
        return None
    if sys.implementation.name != "cpython":
        return None
    import ctypes

    as_utf8, view = _python_api()
    length = ctypes.c_ssize_t()
    address = as_utf8(text, ctypes.byref(length))
    found: memoryview = view(address, length.value, _PYBUF_READ)
    return found


@functools.cache
def _python_api() -> tuple[Any, Any]:
    """PyUnicode_AsUTF8AndSize and PyMemoryView_FromMemory, ctypes functions."""
    import ctypes

    as_utf8 = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
    as_utf8.restype = ctypes.c_void_p
    as_utf8.argtypes = (ctypes.py_object, ctypes.POINTER(ctypes.c_ssize_t))
    view = ctypes.pythonapi.PyMemoryView_FromMemory
    view.restype = ctypes.py_object
    view.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
    return as_utf8, view
