"""Errors right where secret bytes have just been copied or hashed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlsecrets.memory import _scrub


class Burst(Exception):
    """What no code of ours expects."""


class _Fuse:
    """Stands for what clears the registers, and fails the n-th time."""

    def __init__(self, number: int) -> None:
        self.left = number
        self._clear, _ = _scrub._clear()

    def __call__(self, low: int, high: int) -> None:
        self.left -= 1
        if self.left == -1:
            raise Burst
        if self._clear is not None:
            self._clear(low, high)


def bursting(
    monkeypatch: pytest.MonkeyPatch,
    action: Callable[[], Any],
    after: Callable[[], Any] = lambda: None,
) -> Iterator[BaseException]:
    """Every error with which an action can end, in whatever thread.

    It is done again and again; each time it fails one place later, until it does not
    fail any more.

    Args:
        action: what to do.
        after: called each time, when nothing fails; it undoes what was done.
    """
    raised: list[BaseException] = []
    for number in range(1000):
        fuse = _Fuse(number)
        with monkeypatch.context() as patched:
            patched.setattr(
                threading, "excepthook", lambda args: raised.append(args.exc_value)
            )
            patched.setattr(_scrub, "_clear", lambda fuse=fuse: (fuse, None))
            try:
                action()
            except BaseException as error:
                raised.append(error)
        after()
        if fuse.left >= 0:
            assert raised == []
            return
        yield from raised
        raised.clear()
    pytest.fail("it never ended well")
