"""Stopping every thread of a process for a moment, by ptrace(2).

Should the process that holds it die, or be held up, the kernel lets the threads go on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..clock import Clock

# Numbers of ptrace(2) and waitpid(2).
_DETACH, _SEIZE, _INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000  # also threads
#: Seconds that threads may take to stop. One in a driver's call may take forever.
PATIENCE = 2.0
#: Seconds after which the alarm ends this process, whatever it does, if it still holds
#: the other one: that one cannot help itself.
ALARM = 5.0


class NotFrozen(Exception):
    """The process could not be stopped; it runs on."""


class Frozen:
    """A process whose threads stand still.

    Attributes:
        threads: the ids of all of them.
    """

    def __init__(self, pid: int, clock: Clock) -> None:
        self._pid = pid
        self._clock = clock
        self._ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        self._ptrace.restype = ctypes.c_long
        self._ptrace.argtypes = (ctypes.c_long, ctypes.c_long, *[ctypes.c_void_p] * 2)
        self._signals: dict[int, int] = {}

    @property
    def threads(self) -> list[int]:
        """Those that stand still."""
        return list(self._signals)

    def stop(self) -> None:
        """Stop all threads, also those that are started meanwhile.

        Raises:
            NotFrozen: it is refused, or some do not stop.
        """
        deadline = self._clock.monotonic() + PATIENCE
        gone: set[int] = set()
        while new := self._tasks() - self._signals.keys() - gone:
            # All are told first, so that they stop side by side.
            told = {tid for tid in new if self._interrupt(tid)}
            gone |= new - told
            for tid in told:
                if not self._wait(tid, deadline):
                    gone.add(tid)

    def resume(self) -> None:
        """Let all go on."""
        while self._signals:
            tid, pending = self._signals.popitem()
            self._ptrace(_DETACH, tid, None, pending)

    def _tasks(self) -> set[int]:
        # Not by pathlib: everything else stands still meanwhile.
        return set(map(int, os.listdir(f"/proc/{self._pid}/task")))  # noqa: PTH208

    def _interrupt(self, tid: int) -> bool:
        """Whether the thread was told; False if it has ended."""
        for request in (_SEIZE, _INTERRUPT):
            if self._ptrace(request, tid, None, None) == 0:
                continue
            code = ctypes.get_errno()
            # A thread that is just ending cannot be traced, which looks like a refusal.
            if code == errno.ESRCH or self._has_ended(tid):
                return False
            raise NotFrozen(f"ptrace: {os.strerror(code).lower()}")
        return True

    def _has_ended(self, tid: int) -> bool:
        try:
            stat = Path(f"/proc/{self._pid}/task/{tid}/stat").read_bytes()
        except OSError:
            return True
        # The name before the state may itself hold brackets (proc_pid_stat(5)).
        return stat.rpartition(b") ")[2][:1] in b"ZX"

    def _wait(self, tid: int, deadline: float) -> bool:
        """Whether the thread stands still; False if it has ended."""
        while True:
            try:
                pid, status = os.waitpid(tid, _WALL | os.WNOHANG)
            except ChildProcessError:
                return False
            if pid and os.WIFSTOPPED(status):
                # A signal that was about to be handled is passed on when it goes on.
                event = status >> 16
                self._signals[tid] = 0 if event else os.WSTOPSIG(status)
                return True
            if pid:
                return False
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise NotFrozen(f"a thread did not stop within {PATIENCE} s")
            signal.sigtimedwait({signal.SIGCHLD}, left)


def prepare() -> None:
    """Set this process's signals as freezing needs them, whatever it inherited."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Held back, not handled: it is waited for.
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGCHLD})


@contextmanager
def frozen(pid: int, clock: Clock) -> Iterator[Frozen]:
    """Hold all threads of a process for the block; call `prepare` once before.

    Raises:
        NotFrozen: it cannot be stopped.
    """
    holding = Frozen(pid, clock)
    signal.setitimer(signal.ITIMER_REAL, ALARM)
    try:
        holding.stop()
        yield holding
    finally:
        holding.resume()
        signal.setitimer(signal.ITIMER_REAL, 0)
