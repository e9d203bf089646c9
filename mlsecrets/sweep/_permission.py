"""Letting one child read and stop this process, for as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# Numbers of prctl(2).
_GET_DUMPABLE, _SET_DUMPABLE = 3, 4
_SET_PTRACER = 0x59616D61  # "Yama", which allows only parents to trace unless told


@contextmanager
def traceable_by(pid: int) -> Iterator[None]:
    """Within the block, process `pid` of the same user may trace this one.

    A process that made itself undumpable is dumpable meanwhile. What an administrator
    forbade stays forbidden: nothing here fails, tracing then does.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    dumpable = prctl(_GET_DUMPABLE, 0, 0, 0, 0)
    if dumpable != 1:
        prctl(_SET_DUMPABLE, 1, 0, 0, 0)
    # Refused where there is no Yama, and then not needed.
    prctl(_SET_PTRACER, pid, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_PTRACER, 0, 0, 0, 0)
        # 2 is the kernel's own setting for programs that change user; it cannot be
        # set, and 0 is as strict.
        if dumpable != 1:
            prctl(_SET_DUMPABLE, 0, 0, 0, 0)
