"""A function of a few x86-64 instructions that zeroes registers and the stack below.

All vector registers are scratch by the calling convention (System V AMD64 ABI §3.2.1),
so a function may zero them; only there is none in the C library that does.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from ._libc import FAILED, failure, libc

#: Called with the lowest address of this thread's stack and the one above its highest.
Clear: TypeAlias = Callable[[int, int], None]

#: Bytes of stack zeroed below the caller: OpenSSL's and the C library's frames take a
#: few KiB.
DEPTH = 32 * 1024

_ENDBR = bytes.fromhex("f30f1efa")  # where indirect calls may land (Intel CET)
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
# From DEPTH below, or from where the stack ends if that is nearer, up to the caller;
# not at all on another stack than this thread's (a coroutine of somebody's).
_STACK = b"".join(
    (
        bytes.fromhex("488d8424"),  # lea rax, [rsp - DEPTH]
        (-DEPTH).to_bytes(4, "little", signed=True),
        bytes.fromhex("4839f8480f42c7"),  # cmp rax, rdi; cmovb rax, rdi
        bytes.fromhex("4889e14829c17611"),  # mov rcx, rsp; sub rcx, rax; jbe done
        bytes.fromhex("4839f4730c"),  # cmp rsp, rsi; jae done
        bytes.fromhex("48c1e9034889c7"),  # shr rcx, 3; mov rdi, rax
        bytes.fromhex("31c0f348ab"),  # xor eax, eax; rep stosq; done:
    )
)
# xor of eax, ecx, edx, esi, edi, r8d to r11d with themselves; ret.
_GENERAL = bytes.fromhex("31c031c931d231f631ff4531c04531c94531d24531dbc3")


def clearing() -> Clear:
    """The function for this processor.

    Raises:
        OSError: the system does not allow it.
    """
    code = executable(_ENDBR + _vectors(_cpu_flags()) + _STACK + _GENERAL)
    # Without giving up the interpreter's lock: it takes a microsecond.
    function: Clear = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code)
    return function


def executable(code: bytes) -> int:
    """Where `code` can be called, for good; never writable and executable at once.

    Mapped from a file, because a service that may not turn written memory into
    executable (systemd.exec(5), MemoryDenyWriteExecute) may still do this.

    Raises:
        OSError: the system does not allow it.
    """
    if not hasattr(os, "memfd_create"):
        raise OSError(0, "this C library has no memfd_create")
    file = os.memfd_create("mlsecrets-scrub", os.MFD_CLOEXEC)
    try:
        os.write(file, code)
        protection = mmap.PROT_READ | mmap.PROT_EXEC
        address = libc("mmap")(None, len(code), protection, mmap.MAP_PRIVATE, file, 0)
        if address == FAILED:
            raise failure()
    finally:
        os.close(file)
    return int(address)


def _vectors(flags: frozenset[str]) -> bytes:
    if "avx" not in flags:
        return _SSE
    return _VZEROALL + (_AVX512 if "avx512f" in flags else b"")


def _cpu_flags() -> frozenset[str]:
    """What the processor can do and the kernel allows (proc_cpuinfo(5))."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("flags"):
                return frozenset(line.split())
    return frozenset()
