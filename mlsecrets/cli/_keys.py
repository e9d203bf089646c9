"""Single keys from a terminal, without Enter."""

from __future__ import annotations

import os
import selectors
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..clock import SYSTEM_CLOCK, pause


class Keys:
    """What is typed; made by `keys`."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def pressed(self, seconds: float) -> str:
        """Wait for keys, at most so long; which there were.

        A terminal that is gone answers as if ``q`` were pressed.
        """
        if self._descriptor is None:
            pause(SYSTEM_CLOCK, seconds)
            return ""
        with selectors.DefaultSelector() as selector:
            selector.register(self._descriptor, selectors.EVENT_READ)
            if not selector.select(seconds):
                return ""
        return os.read(self._descriptor, 64).decode(errors="replace") or "q"


@contextmanager
def keys() -> Iterator[Keys]:
    """A block in which keys are heard at once and not shown.

    Where standard input is no terminal there are none. Ctrl-C interrupts as ever.
    """
    if not sys.stdin.isatty():
        yield Keys(None)
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
