"""Saved registers of threads that stand still. They are read, never written.

Writing them crashed native clients in 2 of 5 runs.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterable

from ._target import IOVec

# ptrace(2); NT_X86_XSTATE: vector registers, as XSAVE lays them out.
_GET_REGISTERS = 0x4204
_VECTORS = 0x202
_LARGEST = 16 << 10  # bytes; with AMX tiles it is 11 KiB


def can_be_read() -> bool:
    """Whether it is known how, on this machine."""
    return platform.machine() == "x86_64"


def save_registers(threads: Iterable[int], address: int, room: int) -> int:
    """Copy the vector registers of threads to `address`, one after the other.

    Returns:
        bytes written; those of threads for which there is no room are left out.
    """
    ptrace = ctypes.CDLL(None).ptrace
    ptrace.restype = ctypes.c_long
    ptrace.argtypes = (ctypes.c_long, ctypes.c_long, *[ctypes.c_void_p] * 2)
    used = 0
    for tid in threads:
        if room - used < _LARGEST:
            break
        vector = IOVec(address + used, _LARGEST)
        if ptrace(_GET_REGISTERS, tid, _VECTORS, ctypes.byref(vector)) == 0:
            used += -(-vector.length // 8) * 8
    return used
