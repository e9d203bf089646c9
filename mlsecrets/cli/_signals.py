"""Signals while a verb runs: taken for a block, given back after it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, NoReturn

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled(
    numbers: Sequence[int], handler: Callable[[int, FrameType | None], Any]
) -> Iterator[None]:
    """Have a handler for these signals in the block.

    One that is ignored stays ignored: nohup and background jobs ask for that.
    """
    wanted = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def signals_exit() -> AbstractContextManager[None]:
    """Raise SystemExit in the block on SIGTERM or SIGHUP, as SIGINT raises by itself.

    Only on the first: `timeout` and service managers send theirs twice, and the second
    would interrupt the tidying up after the first.
    """
    return handled(_ENDS, _exit)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    for other in _ENDS:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)  # what a shell reports for it
