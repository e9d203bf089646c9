"""Clocks for the fault tests: hours pass in no time, hanging servers cost little."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import pytest

from mlsecrets import _live, _session
from mlsecrets.testing import FakeClock

#: Seconds for what takes 10 s otherwise: the first issue, and all endings.
SHORT_PATIENCE = 0.4
SHORT_FAREWELL = 0.8

Movable: TypeAlias = "PatientClock | RunningClock"


class PatientClock(FakeClock):
    """A `FakeClock` on which the test's own thread waits in no time.

    When the thread that made it waits, the clock moves on by as much. So pauses and
    patience can be counted to the second. Other threads wait as on a `FakeClock`.
    """

    def __init__(self) -> None:
        super().__init__(wall=None)
        self._owner = threading.current_thread()
        self._plans: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something done once so much time has passed here."""
        self._plans.append((self.monotonic() + seconds, action))
        self._plans.sort(key=lambda plan: plan[0])

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that was planned for it."""
        end = self.monotonic() + seconds
        while self._plans and self._plans[0][0] <= end:
            at, action = self._plans.pop(0)
            super().advance(max(at - self.monotonic(), 0.0))
            action()
        super().advance(end - self.monotonic())

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        if threading.current_thread() is not self._owner or timeout is None:
            super().wait(condition, timeout)
            return
        condition.release()
        try:
            self.advance(timeout)
        finally:
            condition.acquire()


class RunningClock:
    """Real time, that can also be moved ahead.

    For servers that hang: what bounds a call is how much time has passed, so it must.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._waiting: list[threading.Condition] = []

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something done once so much real time has passed."""
        threading.Timer(seconds, action).start()

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def wall(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass, and whoever waits look at it anew."""
        self._ahead += seconds
        for condition in list(self._waiting):
            with condition:
                condition.notify_all()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        # Not in short steps: a notification that comes just as one has timed out is
        # lost to whoever waits on.
        self._waiting.append(condition)
        try:
            condition.wait(timeout)
        finally:
            self._waiting.remove(condition)


def clock_for(*, slow: bool, monkeypatch: pytest.MonkeyPatch) -> Movable:
    """A clock on which a fault costs little real time.

    A server that hangs costs what the call may take, so that is made short for it.
    """
    if not slow:
        return PatientClock()
    monkeypatch.setattr(_live, "PATIENCE", SHORT_PATIENCE)
    monkeypatch.setattr(_session, "FAREWELL", SHORT_FAREWELL)
    return RunningClock()
