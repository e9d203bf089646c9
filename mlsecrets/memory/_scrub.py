"""Clearing what the last C calls left outside of memory that we own.

A copy by `memmove`, a decryption or a hash goes through vector registers, and spills
onto the stack below. Both stay as they are until something else happens to use them:
measured, 64-byte pieces of a token in saved registers long after it was wiped.
"""

from __future__ import annotations

import functools
import platform
import sys
import threading
from typing import Any

from .._forks import held_off

_OWN = threading.local()


def scrub() -> bool:
    """Zero this thread's scratch registers and the stack below the caller.

    To be called right after secret bytes were copied, hashed or received. Takes about
    a microsecond. The first KiB of that stack (two on Python 3.10) is where the frames
    of this very call lie: they overwrite it in part, and it is not zeroed.

    Returns:
        whether it could; `why_not_scrubbed` says why not.
    """
    clear, _ = _clear()
    if clear is None:
        return False
    try:
        low, high = _OWN.stack
    except AttributeError:
        low, high = _OWN.stack = _stack()
    clear(low, high)
    return True


def why_not_scrubbed() -> str | None:
    """Why registers and stack stay as they are here; None where they are cleared."""
    _, reason = _clear()
    return reason


def copy(target: memoryview, source: memoryview) -> None:
    """Copy between locked memory, leaving nothing on the way."""
    target[:] = source
    scrub()


@functools.cache
def _clear() -> tuple[Any, str | None]:
    """The clearing function, or why there is none."""
    machine = platform.machine()
    # A 32-bit Python on a 64-bit kernel has other registers and another convention.
    if sys.platform != "linux" or machine != "x86_64" or sys.maxsize < 1 << 32:
        return None, (
            "registers and stack are not cleared: "
            f"known for x86-64 Linux only, not for {machine} {sys.platform}"
        )
    try:
        with held_off():  # a child forked in the middle could never import it
            from ._machine_code import clearing

            return clearing(), None
    except OSError as error:
        return None, (
            "registers and stack are not cleared: "
            f"executable memory is refused: {error.strerror}"
        )


def _stack() -> tuple[int, int]:
    """The lowest address of this thread's stack, and the one above its highest.

    Nothing at all where it cannot be told: zeroing below a stack that ends would
    zero what happens to lie there.
    """
    with held_off():
        import ctypes

    library = ctypes.PyDLL(None)
    try:
        ask, of, give_back = (
            library.pthread_getattr_np,
            library.pthread_attr_getstack,
            library.pthread_attr_destroy,
        )
    except AttributeError:
        return 0, 0
    library.pthread_self.restype = ctypes.c_void_p
    attributes = ctypes.create_string_buffer(256)  # pthread_attr_t; 56 bytes in glibc
    if ask(ctypes.c_void_p(library.pthread_self()), attributes) != 0:
        return 0, 0
    low, size = ctypes.c_void_p(), ctypes.c_size_t()
    failed = of(attributes, ctypes.byref(low), ctypes.byref(size))
    give_back(attributes)
    return (0, 0) if failed else (low.value or 0, (low.value or 0) + size.value)
