"""Finding full copies and fragments of many needles in much memory.

A table says which 8-byte windows may belong to a needle. It is asked for every window
that begins at a multiple of four, so no run of 11 bytes or more can escape; what it
lets through is compared, and extended to both sides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .forms import Form

#: Characters that a piece must have to be counted.
SHORTEST = 12
_WINDOW = 8
#: Bytes by which a run may be longer only because what follows it happens to match.
_CHANCE = 2
#: Windows with fewer distinct bytes are everywhere; by bytes to a character. Zeros
#: between the characters of the wide forms count as one.
_FEWEST_DISTINCT = {1: 5, 2: 4, 4: 3}
#: Two tables of a megabyte each, by the upper bits of a product with an odd number.
_BITS = 20
_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_SHIFT = np.uint64(64 - _BITS)
_BLOCK = 1 << 15  # windows at a time; with a table they fit the cache

Array = Any  # numpy's arrays of different types


@dataclass(frozen=True)
class Run:
    """A piece of a secret.

    Attributes:
        form: of which.
        start: where it lies in what was searched, in bytes.
        length: in bytes.
        offset: where it begins in the form.
    """

    form: Form
    start: int
    length: int
    offset: int

    @property
    def end(self) -> int:
        """Where it ends in what was searched."""
        return self.start + self.length

    @property
    def full(self) -> bool:
        """Whether it is all of the secret."""
        return self.length == len(self.form.content)


class Search:
    """Looks for forms.

    Raises:
        ValueError: there is nothing to look for, or a needle that would turn up by
            chance.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        if not forms:
            raise ValueError("no secrets to look for: a count would mean nothing")
        for form in forms:
            if len(form.content) < SHORTEST * form.unit or len(set(form.content)) < 8:
                raise ValueError(f"{form!r} is too short or too uniform to look for")
        # A session's token repeats claims of the token that it was traded for: what two
        # kinds have in common is counted for the later one, of which more is there.
        self._rank = {
            kind: rank for rank, kind in enumerate(dict.fromkeys(f.kind for f in forms))
        }
        self._where: dict[int, list[tuple[Form, int]]] = defaultdict(list)
        for form in forms:
            content, fewest = form.content, _FEWEST_DISTINCT[form.unit]
            for offset in range(len(content) - _WINDOW + 1):
                window = content[offset : offset + _WINDOW]
                if len(set(window)) >= fewest:
                    key = int.from_bytes(window, "little")
                    self._where[key].append((form, offset))
        self._keys = np.array(sorted(self._where), dtype=np.uint64)
        self._first, self._second = (
            _table(self._keys, multiplier) for multiplier in _MULTIPLIERS
        )
        self._product = np.empty(_BLOCK, dtype=np.uint64)
        self._likely = np.empty(_BLOCK, dtype=np.bool_)

    def runs(self, memory: Array) -> list[Run]:
        """Every full copy, and every piece of `SHORTEST` characters or more.

        Args:
            memory: an array of bytes.
        """
        found: list[Run] = []
        end = 0
        for at in self._candidates(memory):
            if at + _WINDOW <= end:
                continue  # inside the one before
            run = self._longest(memory, at, end)
            if run.full or run.length >= SHORTEST * run.form.unit:
                found.append(run)
                end = run.end
        return found

    def _candidates(self, memory: Array) -> list[int]:
        """Where windows of needles begin, sorted."""
        hits = [
            place for phase in (0, 4) for place in self._of_phase(memory[phase:], phase)
        ]
        return sorted(hits)

    def _of_phase(self, memory: Array, phase: int) -> Iterator[int]:
        windows = memory[: len(memory) // _WINDOW * _WINDOW].view(np.uint64)
        for begin in range(0, len(windows), _BLOCK):
            block = windows[begin : begin + _BLOCK]
            if not np.bitwise_or.reduce(block):
                continue  # never used, such as most of a thread's stack
            product = self._product[: len(block)]
            likely = self._likely[: len(block)]
            np.multiply(block, _MULTIPLIERS[0], out=product)
            np.right_shift(product, _SHIFT, out=product)
            self._first.take(product.view(np.int64), out=likely, mode="clip")
            if not likely.any():
                continue
            hits = np.flatnonzero(likely)
            hits = hits[self._second[_hashed(block[hits], _MULTIPLIERS[1])]]
            # Those that both tables let through by chance.
            at = np.searchsorted(self._keys, block[hits]).clip(max=len(self._keys) - 1)
            exact = hits[self._keys[at] == block[hits]]
            yield from (phase + _WINDOW * (begin + int(i)) for i in exact)

    def _longest(self, memory: Array, at: int, floor: int) -> Run:
        key = int.from_bytes(memory[at : at + _WINDOW].tobytes(), "little")
        runs = [
            _extended(memory, at, form, offset, floor)
            for form, offset in self._where[key]
        ]
        longest = max(runs, key=lambda run: (run.full, run.length))
        if longest.full:
            return longest
        near = [run for run in runs if run.length >= longest.length - _CHANCE]
        return max(near, key=lambda run: (self._rank[run.form.kind], run.length))


def _extended(memory: Array, at: int, form: Form, offset: int, floor: int) -> Run:
    """The run around a window that matches, not reaching below `floor`."""
    content = np.frombuffer(form.content, dtype=np.uint8)
    before = min(offset, at - floor) if at > floor else 0
    after = min(len(content) - offset, len(memory) - at)
    left = memory[at - before : at] != content[offset - before : offset]
    right = memory[at : at + after] != content[offset : offset + after]
    back = int(np.argmax(left[::-1])) if left.any() else before
    ahead = int(np.argmax(right)) if right.any() else after
    return Run(form, at - back, back + ahead, offset - back)


def _table(keys: Array, multiplier: np.uint64) -> Array:
    table = np.zeros(1 << _BITS, dtype=np.bool_)
    table[_hashed(keys, multiplier)] = True
    return table


def _hashed(windows: Array, multiplier: np.uint64) -> Array:
    return ((windows * multiplier) >> _SHIFT).astype(np.intp)
