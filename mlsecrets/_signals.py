"""SIGTERM as an orderly exit, for programs that have no handler of their own."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn

from ._forks import forgets

#: What a shell reports for a process that SIGTERM ended (POSIX: 128 + signal number).
EXIT_STATUS = 128 + signal.SIGTERM


class SigtermExit:
    """Raises SystemExit on SIGTERM, so that `with` blocks are left and leases revoked.

    By default SIGTERM ends a Python process without running anything. A trainer that
    has its own handler keeps it: this one is only installed over the system's default,
    and from the main thread, where alone Python allows it.
    """

    def __init__(self) -> None:
        self._installed = False
        forgets(self)

    def forget(self) -> None:
        """In a forked child, which holds no lease: what ends a worker is to end it."""
        self.remove()

    def install(self) -> None:
        """Take the signal, if nobody has."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _exit)
            self._installed = True

    def remove(self) -> None:
        """Give it back, unless somebody has taken it over since."""
        if not self._installed:
            return
        if threading.current_thread() is not threading.main_thread():
            return
        # Once it has come it stays ignored: the process is on its way out.
        if signal.getsignal(signal.SIGTERM) is _exit:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._installed = False


def exits_on_sigterm(handler: object) -> bool:
    """Whether a handler is the one that ``configure(on_sigterm="exit")`` installs.

    For hosts that take its place with one that ends the process later.
    """
    return handler is _exit


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    # timeout(1) and systemd may send it twice; the second must not cut this short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(EXIT_STATUS)
