"""SIGTERM as an orderly exit, for programs that have no handler of their own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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
        if exits_on_sigterm(signal.getsignal(signal.SIGTERM)):
            _wanting.add(self)

    def remove(self) -> None:
        """Give it back, if nobody else wants it, nor has taken it over since."""
        if self not in _wanting:
            return
        # Others: what a process owes to those that read its leases outlives its block.
        _wanting.discard(self)
        if _wanting or threading.current_thread() is not threading.main_thread():
            return
        # Once it has come it stays ignored: the process is on its way out.
        if exits_on_sigterm(signal.getsignal(signal.SIGTERM)):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


#: Those that have not given the signal back.
_wanting: set[SigtermExit] = set()


def exits_on_sigterm(handler: object) -> bool:
    """Whether a handler is the one that ``configure(on_sigterm="exit")`` installs.

    For hosts that take its place with one that ends the process later.
    """
    return handler is _exit


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block that such an exit does not cut short: it comes at its end.

    What was taken out to be revoked would be forgotten if that were broken off.
    """
    global _deferring, _deferred  # noqa: PLW0603  the process has one handler
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run, and raise, in the main thread alone
        return
    _deferring += 1
    try:
        yield
    finally:
        _deferring -= 1
        if _deferred and not _deferring:
            _deferred = False
            raise SystemExit(EXIT_STATUS)


def ignore_exit() -> None:
    """At the process's end: it is on its way out already."""
    if threading.current_thread() is not threading.main_thread():
        return
    if exits_on_sigterm(signal.getsignal(signal.SIGTERM)):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


#: How many blocks the main thread is in that may not be cut short.
_deferring = 0
#: Whether SIGTERM came in one of them.
_deferred = False


def _exit(number: int, frame: FrameType | None) -> None:
    global _deferred  # noqa: PLW0603
    # timeout(1) and systemd may send it twice; the second must not cut this short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _deferring:
        _deferred = True
        return
    raise SystemExit(EXIT_STATUS)
