"""One private mapping with whatever protection this machine grants.

Each step may be refused (RLIMIT_MEMLOCK, an old kernel, not Linux); the mapping is
then made without it, and `Protection.reasons` says so. Nothing here fails quietly and
nothing here is a wall: a debugger running as root reads locked memory.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

# madvise(2); the mmap module lacks names for some of them before Python 3.13.
_MADV_DONTDUMP = 16  # left out of core dumps, Linux 3.4
_MADV_WIPEONFORK = 18  # zeros in a forked child, Linux 4.14

_LIVE: dict[int, int] = {}
"""Address and length of every mapping of this process, for scans to leave out."""


@dataclass(frozen=True)
class Protection:
    """What the operating system granted for one mapping.

    Args:
        kind: "mlocked" never goes to swap; "plain" may.
        undumpable: left out of core dumps (a request to the kernel, not a wall).
        wiped_on_fork: a forked child finds zeros.
        reasons: why something above was not granted, one sentence each.
    """

    kind: Literal["mlocked", "plain"]
    undumpable: bool
    wiped_on_fork: bool
    reasons: tuple[str, ...] = ()


class Pages:
    """A private anonymous mapping of `size` bytes; `view` is its writable content."""

    __slots__ = ("_map", "address", "protection", "view")

    def __init__(self, size: int) -> None:
        # A mapping of nothing cannot be made, one of a single unused byte can.
        self._map = _map(max(size, 1))
        self.address = _address(self._map)
        self.protection = _protect(self._map, self.address)
        self.view = memoryview(self._map)[:size]
        _LIVE[self.address] = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE

    def wipe(self) -> None:
        """Zero the bytes and give the memory back."""
        self.view[:] = bytes(len(self.view))
        self.view.release()
        _LIVE.pop(self.address, None)
        # A slice that a reader kept still points here: it sees zeros, and the last
        # such slice to go takes the mapping with it.
        with contextlib.suppress(BufferError):
            self._map.close()


def live_mappings() -> Iterator[tuple[int, int]]:
    """Start and end address of every secret mapping that is not yet wiped."""
    # A copy: a finaliser may close a buffer while this runs.
    for start, length in sorted(_LIVE.copy().items()):
        yield start, start + length


def _map(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _address(mapping: mmap.mmap) -> int:
    import ctypes  # 10 ms that only a process with secrets pays

    # The c_char borrows the buffer only until this returns.
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


def _protect(mapping: mmap.mmap, address: int) -> Protection:
    reasons: list[str] = []
    locked = _mlock(address, len(mapping), reasons)
    undumpable = _advise(mapping, _MADV_DONTDUMP, "may be in core dumps", reasons)
    wiped = _advise(mapping, _MADV_WIPEONFORK, "forked children inherit it", reasons)
    return Protection(
        kind="mlocked" if locked else "plain",
        undumpable=undumpable,
        wiped_on_fork=wiped,
        reasons=tuple(reasons),
    )


def _advise(
    mapping: mmap.mmap, advice: int, otherwise: str, reasons: list[str]
) -> bool:
    # The numbers mean other things elsewhere: macOS has neither.
    if sys.platform != "linux":
        reasons.append(f"{otherwise}: madvise({advice}) is Linux only")
        return False
    try:
        mapping.madvise(advice)
    except OSError as error:
        reasons.append(f"{otherwise}: madvise({advice}): {error.strerror}")
        return False
    return True


def _mlock(address: int, size: int, reasons: list[str]) -> bool:
    mlock, get_errno = _libc_mlock()
    if mlock is None:
        reasons.append("may go to swap: this platform has no mlock")
        return False
    if mlock(address, size) == 0:
        return True
    code = get_errno()
    why = os.strerror(code).lower()
    if code in (errno.EPERM, errno.ENOMEM, errno.EAGAIN):
        why += f", RLIMIT_MEMLOCK (ulimit -l) is {_memlock_limit()}"
    reasons.append(f"may go to swap: mlock: {why}")
    return False


def _memlock_limit() -> str:
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return "unlimited" if soft == resource.RLIM_INFINITY else f"{soft} bytes"


_MLOCK: list[Any] = []


def _libc_mlock() -> Any:  # a ctypes function, or None
    """`mlock` and the reader of its errno; looked up once."""
    if not _MLOCK:
        import ctypes

        try:
            mlock = ctypes.CDLL(None, use_errno=True).mlock
            mlock.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        except (OSError, AttributeError, TypeError):  # Windows: no C library to open
            mlock = None
        _MLOCK.append((mlock, ctypes.get_errno))
    return _MLOCK[0]
