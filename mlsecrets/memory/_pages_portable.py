"""Secret memory where only Python's own mmap module is known to work."""

from __future__ import annotations

import ctypes
import mmap
import sys

from ._locking import lock
from ._mapped import Mapped
from ._protection import Protection


def map_portable(size: int) -> Mapped:
    """Memory for `size` bytes; locked where the platform can."""
    if sys.platform == "win32":
        mapping = mmap.mmap(-1, size)
    else:
        mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # The c_char borrows the buffer only until this returns.
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    reasons = ["a debugger can read it: memfd_secret is Linux only"]
    locked = lock(address, size, reasons)
    reasons += (
        "no guard pages: not on this platform",
        "may be in core dumps: madvise(DONTDUMP) is Linux only",
    )
    if sys.platform != "win32":
        reasons.append("forked children inherit it: madvise(WIPEONFORK) is Linux only")
    protection = Protection(
        kind="mlocked" if locked else "plain",
        guarded=False,
        undumpable=False,
        wiped_on_fork=sys.platform == "win32",  # which has no fork
        reasons=tuple(reasons),
    )
    return Mapped(memoryview(mapping), address, protection)
