"""Looking for full copies and for pieces of them, in one pass of numpy.

Words at every fourth byte are looked up: a piece of 11 bytes or more holds one of them
whole, wherever it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from ..memory import SecretBuffer
from ._forms import FRAGMENT, Layout
from ._heads import is_of_another
from ._runs import Blocks, Run
from ._target import Target
from ._words import BLOCK, WORD, FormWords

PHASES = (0, 4)  # bytes from every eighth one
_MARGIN = 64  # bytes around the longest form, to see what stands beside it

Bytes = npt.NDArray[np.uint8]


class FragmentSearch:
    """Finds runs of the forms of a layout, full or not.

    Args:
        phases: where words are read; with the first alone, pieces of 12 to 14 bytes
            are found by luck only.
    """

    def __init__(
        self,
        layout: Layout,
        target: Target,
        stack: ExitStack,
        phases: Sequence[int] = PHASES,
    ) -> None:
        self._phases = phases
        self._forms = layout.forms
        self._content = np.frombuffer(layout.view, np.uint8)
        self._words = FormWords(layout, stack)
        self._blocks = Blocks(target, WORD, stack)
        self._scratch = np.frombuffer(self._blocks.view, np.uint32)
        self._shifted = np.frombuffer(_locked(BLOCK * WORD, stack)[1], np.uint32)
        reach = max(form.length for form in self._forms) + _MARGIN
        self._around = _Around(target, reach, stack)

    @property
    def scanned_bytes(self) -> int:
        """Read so far."""
        return self._blocks.scanned_bytes

    @property
    def scratch(self) -> tuple[int, int]:
        """Address and size of memory for `pieces`; free between searches."""
        return self._blocks.scratch.address, len(self._blocks.view)

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Every run between two addresses, in order."""
        seen = start  # up to here everything is known
        for block in self._blocks.of(start, end):
            for at, first, last in self._hits(block.got):
                address = block.address + at
                if at >= block.step or address < seen:
                    continue
                base, memory = self._around(address, start, end)
                run = self._longest(memory, base, address, first, last)
                if run is not None:
                    seen = run.address + run.length
                    if not self._is_of_another(memory, base, run):
                        yield run

    def pieces(self, size: int) -> int:
        """How many runs there are in the first bytes of the scratch."""
        count = seen = 0
        memory = self._scratch.view(np.uint8)[:size]
        for at, first, last in self._hits(size):
            if at >= seen:
                run = self._longest(memory, 0, at, first, last)
                if run is not None:
                    seen = run.address + run.length
                    count += 1
        return count

    def _hits(self, size: int) -> list[tuple[int, int, int]]:
        """Words of ours in the scratch: byte offset, and the range of candidates."""
        found: list[tuple[int, int, int]] = []
        for phase in self._phases:
            count = (size - phase) // WORD
            for at in range(0, count, BLOCK):
                words = 2 * min(BLOCK, count - at)
                # In units of four bytes.
                begin = 2 * at + phase // 4
                part = self._scratch[begin : begin + words]
                if phase:
                    # A copy in the cache costs less than unaligned arithmetic.
                    np.copyto(self._shifted[:words], part)
                    part = self._shifted[:words]
                hits = self._words.find(part.view(np.uint64))
                if hits is not None:
                    offsets = (hits.at + at) * WORD + phase
                    found += zip(
                        offsets.tolist(),
                        hits.first.tolist(),
                        hits.last.tolist(),
                        strict=True,
                    )
        found.sort()
        return found

    def _longest(
        self, memory: Bytes, base: int, address: int, first: int, last: int
    ) -> Run | None:
        """The longest run through a word, of all forms that have this word."""
        best: Run | None = None
        for candidate in range(first, last):
            index = int(self._words.form[candidate])
            offset = int(self._words.offset[candidate])
            run = self._extend(memory, base, address, index, offset)
            if run is not None and (best is None or run.length > best.length):
                best = run
        return best

    def _extend(
        self, memory: Bytes, base: int, address: int, index: int, offset: int
    ) -> Run | None:
        form = self._forms[index]
        origin = address - base - offset  # where the whole form would begin
        low, high = max(origin, 0), min(origin + form.length, len(memory))
        content = self._content[form.start + low - origin : form.start + high - origin]
        differs = np.flatnonzero(memory[low:high] != content)
        # The word itself may have changed since it was read.
        split = int(differs.searchsorted(address - base - low))
        begin = low + int(differs[split - 1]) + 1 if split else low
        end = low + int(differs[split]) if split < len(differs) else high
        # Whole characters only.
        begin += -(begin - origin) % form.unit
        end -= (end - begin) % form.unit
        run = Run(
            base + begin, index, begin - origin, end - begin, end - begin == form.length
        )
        return run if run.length >= form.shortest else None

    def _is_of_another(self, memory: Bytes, base: int, run: Run) -> bool:
        form = self._forms[run.form]
        own = run.offset + run.length - form.shared
        if own >= FRAGMENT * form.unit or run.full:
            return False
        begin, unit = run.address - base, form.unit
        characters = memory[begin % unit :: unit].data
        here = slice(begin // unit, (begin + run.length) // unit)
        origin = here.start - run.offset // unit
        return is_of_another(characters, here, origin, jwt=form.jwt)


class _Around:
    """The memory around an address, read when asked for."""

    def __init__(self, target: Target, reach: int, stack: ExitStack) -> None:
        self._target = target
        self._reach = reach
        self._buffer, view = _locked(2 * reach + WORD, stack)
        self._memory = np.frombuffer(view, np.uint8)

    def __call__(self, address: int, start: int, end: int) -> tuple[int, Bytes]:
        """Where it begins and its bytes, which lie between `start` and `end`."""
        low = max(start, address - self._reach)
        high = min(end, address + WORD + self._reach)
        got = self._target.read(self._buffer.address, low, high - low)
        return low, self._memory[:got]


def _locked(size: int, stack: ExitStack) -> tuple[SecretBuffer, memoryview]:
    buffer = stack.enter_context(SecretBuffer(size))
    return buffer, stack.enter_context(buffer.writable())
