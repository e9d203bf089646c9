"""Looking for copies of secrets in this process, from outside, and wiping them."""

from __future__ import annotations

from collections.abc import Sequence

from ..clock import SYSTEM_CLOCK, Clock
from ..memory import Sealed
from ._report import SweepReport

__all__ = ["SweepReport", "sweep"]


def sweep(needles: Sequence[Sealed], *, clock: Clock = SYSTEM_CLOCK) -> SweepReport:
    """To be built: F replaces this."""
    return SweepReport(refused="not built yet")
