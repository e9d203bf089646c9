"""The only place that reads time, so that tests can move it.

Intervals are measured on the monotonic clock: a wall clock that jumps (NTP, a
suspended laptop) must not lengthen a credential's life. Wall time is for people, for
signatures and for nothing else.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the rest of the house may ask of time."""

    def monotonic(self) -> float:
        """Seconds that only grow, also while the machine sleeps; no fixed origin."""

    def wall(self) -> float:
        """Seconds since the epoch, as this machine believes them to be."""

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on a held condition for at most `timeout` seconds; may wake early."""


def pause(clock: Clock, seconds: float) -> None:
    """Let time pass on this thread; may end early, as any wait on a clock."""
    nobody = threading.Condition()
    with nobody:
        clock.wait(nobody, seconds)


class SystemClock:
    """Real time.

    `monotonic` counts while the machine is suspended, or it would believe a credential
    alive that died behind a closed lid: CLOCK_BOOTTIME on Linux (clock_gettime(2)),
    CLOCK_MONOTONIC on macOS (clock_gettime(3) there), where Python's own
    `time.monotonic` reads a clock that stops. On Windows that one goes on.
    """

    if hasattr(time, "CLOCK_BOOTTIME"):

        def monotonic(self) -> float:
            return time.clock_gettime(time.CLOCK_BOOTTIME)

    elif sys.platform == "darwin":

        def monotonic(self) -> float:
            return time.clock_gettime(time.CLOCK_MONOTONIC)

    else:

        def monotonic(self) -> float:
            return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.wait(timeout)


SYSTEM_CLOCK = SystemClock()
