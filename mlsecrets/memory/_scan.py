"""Counting the copies of a secret that others made in this process.

A look from inside, for reports: full copies as plain bytes, hex and base64, outside
the buffers themselves. It cannot see registers, other processes, the kernel, or other
encodings; docs/limits.md says what a zero here does and does not mean.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock
from ._buffer import SecretBuffer
from ._maps import PagesInUse, Regions
from ._needles import Needle, needles_of
from ._pages import live_mappings
from ._sealed import Sealed

STEP = 1 << 20  # bytes per read; more was not faster


@dataclass(frozen=True)
class CopyReport:
    """What a scan found.

    Args:
        copies: full copies found outside the buffers, in any form.
        scanned_bytes: how much memory was read.
        seconds: how long it took.
        regions: where the copies were: heap, stack, anon, file -> how many.
        skipped: why nothing was scanned, if so; the count then means nothing.
        unsearched_slots: slots not looked for: under 16 bytes, or fewer than 5
            distinct bytes, which turn up by chance.
        unreadable_bytes: memory that could not be read.
    """

    copies: int = 0
    scanned_bytes: int = 0
    seconds: float = 0.0
    regions: Mapping[str, int] = field(default_factory=dict)
    skipped: str | None = None
    unsearched_slots: int = 0
    unreadable_bytes: int = 0


def count_copies(
    values: Sequence[SecretBuffer | Sealed], *, clock: Clock = SYSTEM_CLOCK
) -> CopyReport:
    """Count full copies of every value in this process's private writable memory.

    Of a buffer, every slot is a value.

    Memory of secret buffers, these or others, is left out. Copies that appear or
    vanish while it runs may be missed.

    Raises:
        SecretBufferClosed: one of the buffers is closed: there is nothing to compare.
    """
    began = clock.monotonic()
    with ExitStack() as stack:
        needles, unsearched = needles_of(values, stack)
        if not needles:
            return CopyReport(
                skipped="no slot is long and varied enough to look for",
                unsearched_slots=unsearched,
            )
        try:
            scan = stack.enter_context(Scan(needles))
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            return CopyReport(
                skipped=f"cannot read this process's memory: {reason}",
                unsearched_slots=unsearched,
            )
        regions = Regions(live_mappings)
        where: Counter[str] = Counter()
        for start, end in regions.runs():
            where.update(regions.kind_at(hit) for hit in scan.hits(start, end))
        return CopyReport(
            copies=where.total(),
            scanned_bytes=scan.scanned_bytes,
            seconds=clock.monotonic() - began,
            regions=dict(where),
            unsearched_slots=unsearched,
            unreadable_bytes=scan.unreadable_bytes,
        )


class Scan:
    """Reads stretches of memory into one locked scratch and searches them there."""

    def __init__(self, needles: Sequence[Needle]) -> None:
        if sys.platform != "linux":
            raise OSError(0, f"no /proc on {sys.platform}")
        self._memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        self._needles = needles
        self._overlap = max(needle.length for needle in needles) - 1
        self._scratch = SecretBuffer(STEP + self._overlap)
        self._in_use = PagesInUse()
        self._memmem = memmem_function()
        self.scanned_bytes = 0
        self.unreadable_bytes = 0

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._memory)
        self._in_use.close()
        self._scratch.close()

    def hits(self, start: int, end: int) -> Iterator[int]:
        """Addresses of every copy that begins in [start, end)."""
        for at in range(start, end, STEP):
            # A copy belongs to the step it begins in, and is read whole there.
            step = min(STEP, end - at)
            if not self._in_use.any(at, at + step):
                continue
            got = self._read(at, min(step + self._overlap, end - at))
            self.scanned_bytes += min(step, got)
            self.unreadable_bytes += step - min(step, got)
            for needle in self._needles:
                for offset in self._search(needle, got):
                    if offset >= step:
                        break
                    yield at + offset

    def _read(self, address: int, length: int) -> int:
        with self._scratch.writable() as view:
            try:
                return os.preadv(self._memory, [view[:length]], address)
            except OSError:
                return 0  # unmapped since, or a guard page

    def _search(self, needle: Needle, got: int) -> Iterator[int]:
        base = at = self._scratch.address
        end = base + got
        while hit := self._memmem(at, end - at, *needle):
            yield hit - base
            at = hit + needle.length


def memmem_function() -> Any:  # a ctypes function: (address, length) twice
    """memmem(3), which searches by address: no copy of the needle is made."""
    import ctypes

    memmem = ctypes.CDLL(None).memmem
    memmem.restype = ctypes.c_void_p
    memmem.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_size_t,
    )
    return memmem
