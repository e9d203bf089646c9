"""Clearing what the last C calls left outside of memory that we own.

A copy by `memmove`, a decryption or a hash goes through vector registers, and spills
onto the stack below. Both stay as they are until something else happens to use them:
measured, 64-byte pieces of a token in saved registers long after it was wiped. All of
these registers are scratch by the calling convention (System V AMD64 ABI §3.2.1), so a
function may zero them; only there is none in the C library that does. Hence this one,
of a few instructions, made here.
"""

from __future__ import annotations

import functools
import mmap
import os
import platform
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Bytes of stack zeroed below the caller: OpenSSL's and the C library's frames take a
#: few KiB.
STACK = 32 * 1024
#: A thread with less stack than this has only its registers cleared.
SMALLEST_STACK = 256 * 1024

_VZEROALL = bytes.fromhex("c5fc77")
# pxor xmm0..7 and xmm8..15 with themselves, for processors without AVX.
_SSE = b"".join(bytes([0x66, 0x0F, 0xEF, 0xC0 + 9 * i]) for i in range(8)) + b"".join(
    bytes([0x66, 0x45, 0x0F, 0xEF, 0xC0 + 9 * i]) for i in range(8)
)
# vpxord zmm16..23 and zmm24..31, which vzeroall leaves alone.
_AVX512 = b"".join(
    bytes([0x62, 0xA1, 0x7D - 8 * i, 0x40, 0xEF, 0xC0 + 9 * i]) for i in range(8)
) + b"".join(
    bytes([0x62, 0x01, 0x3D - 8 * i, 0x40, 0xEF, 0xC0 + 9 * i]) for i in range(8)
)
_STACK = (
    bytes.fromhex("488dbc24")  # lea rdi, [rsp - STACK]
    + (-STACK).to_bytes(4, "little", signed=True)
    + bytes.fromhex("31c0b9")  # xor eax, eax; mov ecx, STACK / 8
    + (STACK // 8).to_bytes(4, "little")
    + bytes.fromhex("f348ab")  # rep stosq
)
# xor of edx, esi, edi, r8d to r11d with themselves; ret.
_GENERAL = bytes.fromhex("31d231f631ff4531c04531c94531d24531dbc3")


def scrub() -> bool:
    """Zero this thread's scratch registers and the stack below the caller.

    To be called right after secret bytes were copied, hashed or received. Takes about
    a microsecond.

    Returns:
        whether it could: on x86-64 Linux, unless executable memory is refused.
    """
    clear = _function()
    if clear is None:
        return False
    clear()
    return True


def copy(target: memoryview, source: memoryview) -> None:
    """Copy between locked memory, leaving nothing on the way."""
    target[:] = source
    scrub()


@functools.cache
def _function() -> Callable[[], None] | None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    size = threading.stack_size()
    deep = size == 0 or size >= SMALLEST_STACK
    code = _vectors() + (_STACK if deep else b"") + _GENERAL
    with suppress(OSError, AttributeError):  # no memfd: an old kernel or C library
        return _executable(code)
    return None


def _vectors() -> bytes:
    flags = _cpu_flags()
    if "avx" not in flags:
        return _SSE
    return _VZEROALL + (_AVX512 if "avx512f" in flags else b"")


def _cpu_flags() -> frozenset[str]:
    """What the processor can do and the kernel allows (proc_cpuinfo(5))."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith("flags"):
                return frozenset(line.split())
    return frozenset()


def _executable(code: bytes) -> Callable[[], None]:
    """A function of machine code; its memory is never writable and executable at once.

    Raises:
        OSError: the system does not allow it.
    """
    import ctypes

    file = os.memfd_create("mlsecrets-scrub", os.MFD_CLOEXEC)
    try:
        os.write(file, code)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_long,
        )
        protection = mmap.PROT_READ | mmap.PROT_EXEC
        address = libc.mmap(None, len(code), protection, mmap.MAP_PRIVATE, file, 0)
    finally:
        os.close(file)
    if address in {None, ctypes.c_void_p(-1).value}:
        raise OSError(ctypes.get_errno(), "executable memory is refused")
    # Without giving up the interpreter's lock: it takes a microsecond.
    function: Callable[[], None] = ctypes.PYFUNCTYPE(None)(address)
    return function
