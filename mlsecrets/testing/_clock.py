"""Time that moves when a test says so."""

from __future__ import annotations

import threading

from .._forks import forgets

#: Real seconds between two looks of a waiting thread, so that a wake-up which came just
#: before it began to wait is not lost.
LOOK_AGAIN = 0.02


class FakeClock:
    """A `mlsecrets.clock.Clock` whose time stands still until `advance`.

    >>> clock = FakeClock()
    >>> before = clock.monotonic()
    >>> clock.advance(60)
    >>> clock.monotonic() - before
    60.0

    Args:
        wall: what the wall clock says at first, in epoch seconds. None is the real
            time, for tests against servers that have a clock of their own.
    """

    def __init__(self, wall: float | None = 1_800_000_000.0) -> None:
        import time

        self._wall = time.time() if wall is None else wall
        self._now = 1000.0
        self._lock = threading.Lock()
        self._waiting: list[threading.Condition] = []
        forgets(self)

    def forget(self) -> None:
        """In a forked child: nobody else waits there."""
        self._lock = threading.Lock()
        self._waiting = []

    def monotonic(self) -> float:
        """Seconds advanced so far, from 1000."""
        return self._now

    def wall(self) -> float:
        """The wall clock: moves with `advance`, and alone with `jump`."""
        return self._wall

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait until notified or advanced; may wake early, as any clock's may."""
        with self._lock:
            self._waiting.append(condition)
        try:
            condition.wait(LOOK_AGAIN)
        finally:
            with self._lock:
                self._waiting.remove(condition)

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake whoever waits for it."""
        with self._lock:
            self._now += seconds
            self._wall += seconds
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as an NTP step or an operator does."""
        self._wall += seconds
