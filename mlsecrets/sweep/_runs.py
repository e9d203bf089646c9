"""Stretches of memory that equal a part of a form, and reading memory to find them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple, Protocol

from ..memory import SecretBuffer
from ..memory._maps import PagesInUse
from ._target import Target, next_page

STEP = 1 << 20  # bytes per read; more was not faster


class Run(NamedTuple):
    """A stretch of the target that equals a part of a form.

    Attributes:
        address: where it begins in the target.
        form: index of the form.
        offset: where the part begins in the form, in bytes.
        length: bytes.
        full: whether it is the whole form.
    """

    address: int
    form: int
    offset: int
    length: int
    full: bool


class Search(Protocol):
    """Finds runs in the target."""

    @property
    def scanned_bytes(self) -> int:
        """Read so far."""

    @property
    def scratch(self) -> tuple[int, int]:
        """Address and size of memory for `pieces`; free between searches."""

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Those that begin between two addresses, in order."""

    def pieces(self, size: int) -> int:
        """How many runs there are in the first bytes of the scratch."""


class Block(NamedTuple):
    """What of the target lies in the scratch.

    Attributes:
        address: where it begins in the target.
        step: bytes that are this block's; what follows belongs to the next.
        got: bytes that could be read, what follows included.
    """

    address: int
    step: int
    got: int


class Blocks:
    """Reads the touched pages of the target into one locked scratch, in steps.

    Args:
        overlap: bytes to read beyond each step, for what straddles two.
    """

    def __init__(self, target: Target, overlap: int, stack: ExitStack) -> None:
        self._target = target
        self._overlap = overlap
        self._in_use = PagesInUse(target.pid)
        stack.callback(self._in_use.close)
        self.scratch = stack.enter_context(SecretBuffer(STEP + -(-overlap // 8) * 8))
        self.view = stack.enter_context(self.scratch.writable())
        self.scanned_bytes = 0

    def of(self, start: int, end: int) -> Iterator[Block]:
        """Every block of a stretch; each is in the scratch until the next is asked."""
        for run_start, run_end in self._in_use.runs(start, end):
            at = run_start
            while at < run_end:
                step = min(STEP, run_end - at)
                wanted = min(step + self._overlap, run_end - at)
                got = self._target.read(self.scratch.address, at, wanted)
                self.scanned_bytes += min(step, got)
                if got:
                    yield Block(at, min(step, got), got)
                # A page that went away meanwhile is passed over.
                at = at + step if got == wanted else next_page(at + got)
