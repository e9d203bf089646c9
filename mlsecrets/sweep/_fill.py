"""Overwriting what was found, in a process that stands still."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from ..memory import SecretBuffer
from ..memory._maps import Region, parse_region, read_maps
from ._forms import Layout
from ._runs import Run
from ._target import Piece, Target

#: Legal wherever a token is: a NUL made a native client panic.
FILLER = ord("x")
_UNITS = (1, 2, 4)


class Filler:
    """Overwrites runs that still are what they were.

    Args:
        layout: the forms that runs are parts of.
    """

    ROOM = (
        1 << 18
    )  # bytes that are verified and written at a time, if no form is longer

    def __init__(self, layout: Layout, target: Target, stack: ExitStack) -> None:
        self._layout = layout
        self._target = target
        longest = max(form.length for form in layout.forms)
        self._room = max(self.ROOM, longest)
        self._now = stack.enter_context(SecretBuffer(self._room))
        self._fillers = {
            unit: ctypes.create_string_buffer(
                bytes([FILLER, *[0] * (unit - 1)]) * (-(-longest // unit) + 1)
            )
            for unit in _UNITS
        }
        self._memcmp = ctypes.CDLL(None).memcmp
        self._memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

    def fill(self, runs: Sequence[Run], maps: Sequence[str]) -> int:
        """Overwrite them; how many were.

        A run that has changed since it was found is left alone, as are those in memory
        that is no longer what it was when `maps` was read: a new buffer of ours may
        lie there.
        """
        present = _still_mapped(runs, maps, read_maps(self._target.pid))
        return sum(map(self._fill_batch, self._batches(present)))

    def _fill_batch(self, runs: Sequence[Run]) -> int:
        pieces: dict[Piece, Run] = {}
        here = self._now.address
        for run in runs:
            pieces[Piece(here, run.address, run.length)] = run
            here += run.length
        read = self._target.read_all(list(pieces))
        same = [pieces[piece] for piece in read if self._is_same(piece, pieces[piece])]
        return len(self._target.write_all([self._filled(run) for run in same]))

    def _filled(self, run: Run) -> Piece:
        unit = self._layout.forms[run.form].unit
        start, end = surely_copied(run, unit)
        # In step with the characters that the run consists of.
        filler = ctypes.addressof(self._fillers[unit]) + (start - run.address) % unit
        return Piece(filler, start, end - start)

    def _is_same(self, piece: Piece, run: Run) -> bool:
        form = self._layout.forms[run.form]
        expected = self._layout.buffer.address + form.start + run.offset
        return bool(self._memcmp(piece.here, expected, run.length) == 0)

    def _batches(self, runs: Iterable[Run]) -> Iterable[list[Run]]:
        batch: list[Run] = []
        size = 0
        for run in runs:
            if size + run.length > self._room:
                yield batch
                batch, size = [], 0
            batch.append(run)
            size += run.length
        yield batch


def surely_copied(run: Run, unit: int) -> tuple[int, int]:
    """Start and end of the part of a run that can be overwritten.

    Where a copy was cut off, by an allocator's size or somebody's pointer, the first
    bytes of what cut it may by chance be those that the copy had: one in 64 sizes
    begins like the next letter. Written over, that is a heap destroyed (measured: one
    abort in some fifty sweeps of a process that went on for long). Such a field lies on
    its own alignment, so a run is left alone up to there: three bytes at either end, or
    a character of four bytes.
    """
    aligned = max(4, 2 * unit)
    start = -(-run.address // aligned) * aligned
    end = (run.address + run.length) // aligned * aligned
    return start, end


def _still_mapped(
    runs: Sequence[Run], before: Sequence[str], after: Sequence[str]
) -> list[Run]:
    """Runs whose mapping is as it was, or has grown."""
    unchanged = set(after)
    now = [
        region
        for region in map(parse_region, unchanged.difference(before))
        if region is not None
    ]
    changed = [
        region
        for region in map(parse_region, [x for x in before if x not in unchanged])
        if region is not None and not _lies_in_one(region, now)
    ]
    return [
        run for run in runs if not any(r.start <= run.address < r.end for r in changed)
    ]


def _lies_in_one(region: Region, others: Iterable[Region]) -> bool:
    return any(
        other.start <= region.start and region.end <= other.end for other in others
    )
