"""One private mapping with whatever protection this machine grants.

Each step may be refused (RLIMIT_MEMLOCK, an old kernel, not Linux); the mapping is
then made without it, and `Protection.reasons` says so. Nothing here fails quietly and
nothing here is a wall: whoever can run code in this process reads its memory.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator

from .._forks import held_off
from ._mapped import Mapped

_LIVE: dict[int, int] = {}
"""Address and length of every mapping of this process, for scans to leave out."""


class Pages:
    """A mapping for `size` bytes of secrets; `view` is its writable content."""

    __slots__ = ("address", "protection", "view")

    def __init__(self, size: int) -> None:
        # A mapping of nothing cannot be made, one of a single unused byte can.
        whole, self.address, self.protection = _map(max(size, 1))
        self.view = whole[:size]
        _LIVE[self.address] = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE

    def wipe(self) -> None:
        """Zero the bytes and give the memory back.

        A slice that a reader kept still points here: it sees zeros, and the last such
        slice to go takes the mapping with it.
        """
        self.view[:] = bytes(len(self.view))
        self.view.release()
        _LIVE.pop(self.address, None)


def live_mappings() -> Iterator[tuple[int, int]]:
    """Start and end address of every secret mapping that is not yet wiped."""
    # A copy: a finaliser may close a buffer while this runs.
    for start, length in sorted(_LIVE.copy().items()):
        yield start, start + length


def _map(size: int) -> Mapped:
    # Imported when the first secret comes: ctypes takes 10 ms. A child forked in the
    # middle could never import it.
    with held_off():
        if sys.platform == "linux":
            from ._pages_linux import map_linux as map_here
        else:
            from ._pages_portable import map_portable as map_here
    return map_here(size)
