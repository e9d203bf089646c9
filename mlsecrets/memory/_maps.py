"""Which memory of a process can hold copies: private, writable, and in use."""

from __future__ import annotations

import mmap
import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

RegionKind = Literal["heap", "stack", "anon", "file"]


class Region(NamedTuple):
    """One line of /proc/self/maps that is ours to read; `end` is exclusive."""

    start: int
    end: int
    kind: RegionKind


class Regions:
    """The private writable regions of a process, without some intervals.

    Args:
        left_out: gives the start and end of each; asked after the regions are known,
            so that it knows of every buffer that lies in one of them.
        pid: of the process; this one, if not given.

    Attributes:
        lines: all of its mappings, as the kernel lists them.
    """

    def __init__(
        self,
        left_out: Callable[[], Iterable[tuple[int, int]]],
        pid: int | None = None,
    ) -> None:
        self.lines = read_maps(pid)
        holes = sorted(left_out())
        self._regions = [
            part
            for region in filter(None, map(parse_region, self.lines))
            for part in without(region, holes)
        ]
        self._starts = [region.start for region in self._regions]

    def runs(self) -> Iterator[tuple[int, int]]:
        """Start and end of what lies together: a copy may straddle two regions."""
        start = end = 0
        for region in self._regions:
            if region.start != end:
                if end:
                    yield start, end
                start = region.start
            end = region.end
        if end:
            yield start, end

    def kind_at(self, address: int) -> RegionKind:
        """The kind of the region that an address of some run lies in."""
        return self._regions[bisect_right(self._starts, address) - 1].kind


def read_maps(pid: int | None = None) -> list[str]:
    """The lines of proc_pid_maps(5), of this process if not told otherwise."""
    # Names of files may be anything; they are not what is looked at.
    maps = Path(f"/proc/{pid or 'self'}/maps")
    with maps.open(encoding="utf-8", errors="replace") as lines:
        return lines.readlines()


def parse_region(line: str) -> Region | None:
    """The region of a line of proc_pid_maps(5), if it is private and writable."""
    fields = line.split(maxsplit=5)
    path = fields[5].strip() if len(fields) == 6 else ""
    if not fields[1].startswith("rw") or fields[1][3] != "p":
        return None
    if path.startswith(("/dev/", "[v")):
        return None  # reading a device may have effects; [vvar] is the kernel's
    kind: RegionKind = "anon"
    if path == "[heap]":
        kind = "heap"
    elif path.startswith("[stack"):
        kind = "stack"
    elif path.startswith("/"):
        kind = "file"
    start, _, end = fields[0].partition("-")
    return Region(int(start, 16), int(end, 16), kind)


def without(region: Region, holes: Iterable[tuple[int, int]]) -> Iterator[Region]:
    """What is left of a region outside sorted, disjoint intervals."""
    start = region.start
    for hole_start, hole_end in holes:
        if hole_end <= start or hole_start >= region.end:
            continue
        if hole_start > start:
            yield region._replace(start=start, end=hole_start)
        start = hole_end
    if start < region.end:
        yield region._replace(start=start)


class PagesInUse:
    """Whether any page of a stretch has ever been touched, by /proc/PID/pagemap.

    Reading an untouched page makes the kernel provide one: a scan without this check
    would walk through terabytes that allocators only reserve.
    """

    _ENTRY = 8  # bytes per page; bit 63 is "present", bit 62 "swapped" (pagemap.rst)
    _STRETCH = 32 << 20  # bytes of memory asked about at a time

    def __init__(self, pid: int | None = None) -> None:
        path = f"/proc/{pid or 'self'}/pagemap"
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def any(self, start: int, end: int) -> bool:
        """Also true where it cannot be told."""
        return next(self.runs(start, end), None) is not None

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of a stretch that were touched; all, where it cannot be told."""
        run_start = run_end = start
        for at in range(start, end, self._STRETCH):
            for part_start, part_end in self._parts(at, min(at + self._STRETCH, end)):
                if part_start != run_end:
                    if run_end > run_start:
                        yield run_start, run_end
                    run_start = part_start
                run_end = part_end
        if run_end > run_start:
            yield run_start, run_end

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        first = start // mmap.PAGESIZE
        pages = -(-end // mmap.PAGESIZE) - first
        flags = self._flags(first, pages)
        if flags is None:
            yield start, end
            return
        at = flags.find(_TOUCHED)
        while at >= 0:
            gap = flags.find(_UNTOUCHED, at)
            until = pages if gap < 0 else gap
            yield (
                max(start, (first + at) * mmap.PAGESIZE),
                min(end, (first + until) * mmap.PAGESIZE),
            )
            at = flags.find(_TOUCHED, until)

    def _flags(self, first: int, pages: int) -> bytes | None:
        if self._file < 0:
            return None
        entries = os.pread(self._file, pages * self._ENTRY, first * self._ENTRY)
        if len(entries) != pages * self._ENTRY:
            return None
        return entries[self._TOP :: self._ENTRY].translate(_IN_USE)

    # Where the two bits are, in an entry as this machine writes it.
    _TOP = 7 if sys.byteorder == "little" else 0

    def close(self) -> None:
        """Give the file back."""
        if self._file >= 0:
            os.close(self._file)


_UNTOUCHED, _TOUCHED = b"\0", b"\1"
_IN_USE = bytes(64) + bytes([1]) * 192
"""Translates the top byte of an entry, whose upper two bits are those asked about."""
