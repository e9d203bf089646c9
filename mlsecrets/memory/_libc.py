"""Calls of the C library that Python's own modules do not offer.

They are made without giving up the interpreter's lock: each takes microseconds, while
getting the lock back may take milliseconds where other threads compute.
"""

from __future__ import annotations

import ctypes  # 10 ms: whoever imports this module does so when a secret comes
import errno
import os
import sys
from typing import Any

#: mmap(2)'s answer when it fails.
FAILED = ctypes.c_void_p(-1).value

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_INT, _LONG = ctypes.c_int, ctypes.c_long
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "close": (_INT, (_INT,)),
    "ftruncate": (_INT, (_INT, _LONG)),
    "madvise": (_INT, (_POINTER, _SIZE, _INT)),
    "mlock": (_INT, (_POINTER, _SIZE)),
    "mmap": (_POINTER, (_POINTER, _SIZE, _INT, _INT, _INT, _LONG)),
    "mprotect": (_INT, (_POINTER, _SIZE, _INT)),
    # Only with a new address, so that the fifth argument is always there.
    "mremap": (_POINTER, (_POINTER, _SIZE, _SIZE, _INT, _POINTER)),
    "munmap": (_INT, (_POINTER, _SIZE)),
    "prctl": (_INT, (_INT, *4 * (ctypes.c_ulong,))),
    "syscall": (_LONG, (_LONG, _LONG)),
}
_FOUND: dict[str, Any] = {}


def libc(name: str) -> Any:
    """One function of the C library, a ctypes function.

    Raises:
        OSError: there is none here.
    """
    if name not in _FOUND:
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, f"Windows has no {name}")
        try:
            function = ctypes.PyDLL(None, use_errno=True)[name]
        except AttributeError:
            raise OSError(errno.ENOSYS, f"this C library has no {name}") from None
        function.restype, function.argtypes = _SIGNATURES[name]
        _FOUND[name] = function
    return _FOUND[name]


def failure() -> OSError:
    """What the last of these calls failed with."""
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code).lower())
