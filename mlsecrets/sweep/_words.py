"""Eight-byte words of the forms, and finding them among very many others.

A table of a million booleans, indexed by a hash, says of nearly every word of memory
that it is none of ours (multiplicative hashing, Knuth, TAOCP vol. 3 §6.4). A second one
and a sorted list make sure of the rest.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..memory import SecretBuffer
from ..memory._needles import FEWEST_DISTINCT
from ._forms import Layout

WORD = 8  # bytes
BLOCK = 32768  # words at a time: their arrays stay in the processor's cache
_BITS = 20  # at least; 2^16 entries were five times slower, full of false hits
_SPARSE = 16  # entries for each word of ours, at least
_FIRST = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
#: Two characters of four bytes are in many an array of numbers: a word that is one
#: counts only among neighbours.
_WIDE, _TOGETHER = 4, 3
_IS_NARROW, _IS_WIDE = np.uint8(1), np.uint8(2)

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


class Hits(NamedTuple):
    """Words of memory that are words of forms.

    Attributes:
        at: their indices.
        first, last: each one's range in `FormWords.form` and `offset`.
    """

    at: Places
    first: Places
    last: Places


class FormWords:
    """Every word of every form, at every byte.

    Attributes:
        form, offset: of which form each is, and where in it; sorted by word.
    """

    def __init__(self, layout: Layout, stack: ExitStack) -> None:
        self._stack = stack
        self.form, self.offset = _telling(layout)
        starts = np.array([form.start for form in layout.forms])
        # Every eight bytes of the layout, at every byte.
        words: Words = np.ndarray(
            (len(layout.view) - WORD + 1,), np.uint64, layout.view, strides=(1,)
        )
        self._sorted = self._locked(len(self.form))
        words.take(starts[self.form] + self.offset, out=self._sorted, mode="clip")
        order = self._sorted.argsort(kind="stable")
        self._sorted.sort(kind="stable")
        self.form, self.offset = self.form[order], self.offset[order]
        bits = max(_BITS, (_SPARSE * len(order)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, np.bool_)
        self._table[self._places(self._sorted, _FIRST)] = True
        self._table[0] = False  # nought hashes to nought, and is everywhere
        self._kinds = np.zeros(1 << bits, np.uint8)
        units = np.array([form.unit for form in layout.forms])[self.form]
        kinds = np.where(units == _WIDE, _IS_WIDE, _IS_NARROW)
        np.bitwise_or.at(self._kinds, self._places(self._sorted, _SECOND), kinds)
        self._hashes = self._locked(BLOCK)
        self._mine = self._locked(BLOCK)
        self._maybe = np.zeros(BLOCK, np.bool_)

    def find(self, words: Words) -> Hits | None:
        """Which of at most `BLOCK` words are ours; None if, as nearly always, none."""
        count = len(words)
        hashes, maybe = self._hashes[:count], self._maybe[:count]
        np.multiply(words, _FIRST, out=hashes)
        np.right_shift(hashes, self._shift, out=hashes)
        self._table.take(hashes.view(np.int64), out=maybe, mode="clip")
        if not maybe.any():
            return None
        at = self._sure(words, np.flatnonzero(maybe))
        mine = words.take(at, out=self._mine[: len(at)], mode="clip")
        first = self._sorted.searchsorted(mine, "left")
        last = self._sorted.searchsorted(mine, "right")
        exact = last > first
        return Hits(at[exact], first[exact], last[exact])

    def _sure(self, words: Words, at: Places) -> Places:
        """Those that the second table knows, and that have company if they need it."""
        mine = words.take(at, out=self._mine[: len(at)], mode="clip")
        kinds = self._kinds[self._places(mine, _SECOND)]
        known = kinds > 0
        at, kinds = at[known], kinds[known]
        sure: Places = at[(kinds != _IS_WIDE) | (_company(at) >= _TOGETHER)]
        return sure

    def _places(self, words: Words, factor: np.uint64) -> Places:
        places: Places = ((words * factor) >> self._shift).view(np.int64)
        return places

    def _locked(self, count: int) -> Words:
        buffer = self._stack.enter_context(SecretBuffer(max(count, 1) * WORD))
        view = self._stack.enter_context(buffer.writable())
        return np.frombuffer(view, np.uint64)[:count]


def _telling(layout: Layout) -> tuple[Places, Places]:
    """Form and offset of every word that does not turn up by chance.

    What does is padding, or a few letters; beside characters, wide forms hold zeros.
    """
    distinct = _distinct(np.frombuffer(layout.view, np.uint8))
    form: list[Places] = []
    offset: list[Places] = []
    for index, (start, length, unit, *_) in enumerate(layout.forms):
        enough = FEWEST_DISTINCT if unit == 1 else min(4, 1 + WORD // unit)
        offset.append(
            np.flatnonzero(distinct[start : start + length - WORD + 1] >= enough)
        )
        form.append(np.full(len(offset[-1]), index))
    return np.concatenate(form), np.concatenate(offset)


def _distinct(content: npt.NDArray[np.uint8]) -> Places:
    """Of every eight bytes, how many differ."""
    count = len(content) - WORD + 1
    same = [content[lag:] == content[: len(content) - lag] for lag in range(WORD)]
    distinct = np.full(count, WORD)
    for last in range(WORD):
        # Whether a byte equals one before it in the same word.
        repeated = np.zeros(count, np.bool_)
        for lag in range(1, last + 1):
            repeated |= same[lag][last - lag : last - lag + count]
        distinct -= repeated
    return distinct


def _company(at: Places) -> Places:
    """Of each index, how many stand in a row with it."""
    breaks = np.flatnonzero(np.diff(at) != 1) + 1
    lengths = np.diff(np.concatenate(([0], breaks, [len(at)])))
    return np.repeat(lengths, lengths)
