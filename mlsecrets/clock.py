"""The only place that reads time, so that tests can move it.

Intervals are measured on the monotonic clock: a wall clock that jumps (NTP, a
suspended laptop) must not lengthen a credential's life. Wall time is for people, for
signatures and for nothing else.
"""

from __future__ import annotations

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


class SystemClock:
    """Real time.

    On Linux `monotonic` reads CLOCK_BOOTTIME, which counts while the machine is
    suspended (clock_gettime(2)); CLOCK_MONOTONIC does not, and would believe a
    credential alive that died behind a closed lid.
    """

    if hasattr(time, "CLOCK_BOOTTIME"):

        def monotonic(self) -> float:
            return time.clock_gettime(time.CLOCK_BOOTTIME)

    else:  # macOS: mach_absolute_time stops in sleep; docs/limits.md says so.

        def monotonic(self) -> float:
            return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.wait(timeout)


SYSTEM_CLOCK = SystemClock()
