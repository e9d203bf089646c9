"""Secret memory on Linux: memfd_secret between guard pages, or the next best.

Only the data is locked, not its guards: one page for a credential, so that the usual
RLIMIT_MEMLOCK of 64 KiB carries a dozen of them. No file stays open. Making one such
page takes a tenth of a millisecond, most of it for the kernel to take the page out of
its own map; so a few are kept, wiped, for the next request that is composed.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import weakref
from typing import NamedTuple

from .._forks import after_fork, held_off
from ._libc import FAILED, failure, libc
from ._locking import lock, refusal
from ._mapped import Mapped
from ._protection import Kind, Protection

_PAGE = mmap.PAGESIZE
_PROT_NONE = 0
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_NOREPLACE = 0x100000  # MAP_FIXED_NOREPLACE, Linux 4.17
_MOVE = 1 | 2  # MREMAP_MAYMOVE | MREMAP_FIXED

_MEMFD_SECRET = 447  # on every architecture that has it; Linux 5.14
# madvise(2); the mmap module lacks names for some of them before Python 3.13.
_DONTFORK = 10  # absent in a forked child
_DONTDUMP = 16  # left out of core dumps, Linux 3.4
_WIPEONFORK = 18  # zeros in a forked child, Linux 4.14; not for memfd_secret

_ABSENT_AFTER_FORK: dict[int, int] = {}
"""Address and length of every memfd_secret mapping of this process."""


class _Region(NamedTuple):
    """Data between guards; both numbers in bytes."""

    address: int
    length: int
    protection: Protection
    pid: int  # whose it is: a forked child must not touch it


_SPARES = 2  # of the sixteen pages that 64 KiB allow
_SPARE: list[_Region] = []
"""Single pages of memfd_secret that nobody uses any more."""


def map_linux(size: int) -> Mapped:
    """Memory for at least `size` bytes, in whole pages.

    Raises:
        OSError: there is no memory or no address space left.
    """
    length = -(-size // _PAGE) * _PAGE
    # A child that were forked in between would share the memory that the parent is
    # about to fill.
    with held_off():
        region = _spare(length) or _make(length)
    array = _bytes_type(length).from_address(region.address)
    # Not when the buffer is wiped but when the last slice of it is gone: whoever kept
    # one reads zeros, and never memory that is not there. At exit the kernel does it.
    weakref.finalize(array, _give_back, region).atexit = False
    return Mapped(memoryview(array).cast("B"), region.address, region.protection)


def _make(length: int) -> _Region:
    base = libc("mmap")(None, length + 2 * _PAGE, _PROT_NONE, _PRIVATE, -1, 0)
    if base == FAILED:
        raise failure()
    address = base + _PAGE
    try:
        protection = _fill(address, length)
    except OSError:
        # Only the guards: where the move failed, what lies between may be anybody's.
        libc("munmap")(base, _PAGE)
        libc("munmap")(address + length, _PAGE)
        raise
    if protection.kind == "secretmem":
        _ABSENT_AFTER_FORK[address] = length
    return _Region(address, length, protection, os.getpid())


def _spare(length: int) -> _Region | None:
    if length == _PAGE and _SPARE and _SPARE[-1].pid == os.getpid():
        return _SPARE.pop()
    return None


def _give_back(region: _Region) -> None:
    address, length, protection, pid = region
    if os.getpid() != pid:
        return
    if protection.kind == "secretmem" and length == _PAGE and len(_SPARE) < _SPARES:
        ctypes.memset(address, 0, length)  # whoever kept a slice may have written
        _SPARE.append(region)
        return
    _ABSENT_AFTER_FORK.pop(address, None)
    libc("munmap")(address - _PAGE, length + 2 * _PAGE)


def _fill(address: int, length: int) -> Protection:
    """Put readable and writable memory in the middle of what was reserved."""
    reasons: list[str] = []
    kind: Kind = "plain"
    if _secretmem(address, length, reasons):
        kind = "secretmem"
    else:
        if libc("mprotect")(address, length, _READ_WRITE):
            raise failure()
        if lock(address, length, reasons):
            kind = "mlocked"
    forks = _DONTFORK if kind == "secretmem" else _WIPEONFORK
    return Protection(
        kind=kind,
        guarded=True,
        undumpable=_advise(address, length, _DONTDUMP, "may be in core dumps", reasons),
        wiped_on_fork=_advise(
            address, length, forks, "forked children inherit it", reasons
        ),
        reasons=tuple(reasons),
    )


def _secretmem(address: int, length: int, reasons: list[str]) -> bool:
    """Whether the kernel gave memory that only this process can read."""
    file = libc("syscall")(_MEMFD_SECRET, os.O_CLOEXEC)
    if file < 0:
        return _not_secret(failure(), reasons)
    try:
        if libc("ftruncate")(file, length):
            return _not_secret(failure(), reasons)
        # Made elsewhere and then moved: a refused MAP_FIXED has already torn a hole
        # into what was reserved, where any thread's next mapping may come to lie.
        found = libc("mmap")(None, length, _READ_WRITE, mmap.MAP_SHARED, file, 0)
        if found == FAILED:
            return _not_secret(failure(), reasons)
    finally:
        libc("close")(file)
    if libc("mremap")(found, length, length, _MOVE, address) == FAILED:
        refused = failure()
        libc("munmap")(found, length)
        raise refused
    return True


def _not_secret(error: OSError, reasons: list[str]) -> bool:
    reasons.append(f"a debugger can read it: memfd_secret: {refusal(error)}")
    return False


def _advise(
    address: int, length: int, advice: int, otherwise: str, reasons: list[str]
) -> bool:
    if libc("madvise")(address, length, advice) == 0:
        return True
    reasons.append(f"{otherwise}: madvise({advice}): {failure().strerror}")
    return False


@functools.cache
def _bytes_type(length: int) -> type[ctypes.Array[ctypes.c_ubyte]]:
    return ctypes.c_ubyte * length


def _lay_zeros() -> None:
    """Zeros where memfd_secret was: a reader inside at the fork must not crash."""
    for address, length in _ABSENT_AFTER_FORK.items():
        # If something else lies there already, it stays.
        libc("mmap")(address, length, _READ_WRITE, _PRIVATE | _NOREPLACE, -1, 0)
    _ABSENT_AFTER_FORK.clear()
    _SPARE.clear()


after_fork(_lay_zeros)
