"""Looking for full copies only, by memmem(3): where there is no numpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from ..memory._scan import memmem_function
from ._forms import Layout
from ._runs import Blocks, Run
from ._target import Target


class WholeSearch:
    """Finds full copies of the forms of a layout."""

    def __init__(self, layout: Layout, target: Target, stack: ExitStack) -> None:
        self._layout = layout
        longest = max(form.length for form in layout.forms)
        self._blocks = Blocks(target, longest - 1, stack)
        self._memmem = memmem_function()

    @property
    def scanned_bytes(self) -> int:
        """Read so far."""
        return self._blocks.scanned_bytes

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Every copy between two addresses, in order."""
        for block in self._blocks.of(start, end):
            found = [
                Run(block.address + offset, index, 0, form.length, full=True)
                for index, form in enumerate(self._layout.forms)
                for offset in self._offsets(form.start, form.length, block.got)
                if offset < block.step
            ]
            yield from sorted(found)

    def _offsets(self, start: int, length: int, got: int) -> Iterator[int]:
        base = at = self._blocks.scratch.address
        end = base + got
        needle = self._layout.buffer.address + start
        while hit := self._memmem(at, end - at, needle, length):
            yield hit - base
            at = hit + length

    @property
    def scratch(self) -> tuple[int, int]:
        """Address and size of memory for `pieces`."""
        return self._blocks.scratch.address, len(self._blocks.view)

    def pieces(self, size: int) -> int:
        """None: a register holds no full copy."""
        return 0
