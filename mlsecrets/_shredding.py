"""The end of leases in memory: look for what readers left, wipe it, wipe our own.

Only for leases whose credentials nobody needs any more: they have been ended at their
issuers, and the clients that our readers made are closed.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from .clock import Clock
from .credentials import Credentials
from .exposure import Exposures
from .memory import Sealed
from .report import ShredReport
from .sweep import SweepReport, sweep

Sweeping = Literal["revealed", "always", "never"]
"""When memory is swept: for what readers were shown, for everything, or not at all."""


class Ended(Protocol):
    """A lease that has been closed, with its secrets still in memory."""

    @property
    def name(self) -> str:
        """Its scope's."""

    @property
    def exposures(self) -> Exposures:
        """Who was given what."""

    def secrets(self) -> list[Credentials]:
        """The credentials that are not yet wiped."""

    def shred(self) -> int:
        """Wipe them; how many there were."""

    def tell_shredded(self, figures: Mapping[str, Any]) -> None:
        """Put that into the journal."""


def shred(
    lives: Sequence[Ended],
    sweeping: Sweeping,
    clock: Clock,
    *,
    exiting: bool = False,
) -> dict[str, ShredReport]:
    """Sweep once for all of these leases, wipe each, and say what was found.

    Args:
        lives: leases that have been closed.
        sweeping: see `configure`.
        clock: reads time.
        exiting: the interpreter is, and all memory goes with it.

    Returns:
        by scope.
    """
    began = clock.monotonic()
    needles: list[Sealed] = []
    reasons: dict[str, str | None] = {}
    for live in lives:
        wanted = _needles(live, sweeping)
        reason = _why_not(live, wanted, sweeping, exiting=exiting)
        reasons[live.name] = reason
        if reason is None:
            needles += wanted
    swept = sweep(needles, clock=clock) if needles else None
    return {
        live.name: _wiped(live, swept, reasons[live.name], clock, began)
        for live in lives
    }


def _needles(live: Ended, sweeping: Sweeping) -> list[Sealed]:
    needles = live.exposures.needles()
    if sweeping == "always":
        needles += [
            credentials.sealed(field)
            for credentials in live.secrets()
            for field in credentials.FIELDS
        ]
    return needles


def _why_not(
    live: Ended, needles: Sequence[Sealed], sweeping: Sweeping, *, exiting: bool
) -> str | None:
    """Why memory is not swept for a lease; None if it is."""
    if not needles:
        return "nothing was revealed"
    if sweeping == "never":
        return "switched off"
    if exiting:
        return "the process ends, and its memory with it"
    if live.exposures.in_use() is not None:
        # What holds a store may be garbage already, in a cycle.
        gc.collect()
    return live.exposures.in_use()


def _wiped(
    live: Ended,
    swept: SweepReport | None,
    reason: str | None,
    clock: Clock,
    began: float,
) -> ShredReport:
    secrets = live.secrets()
    if reason is not None:
        swept = None  # what was found is of the other leases
    elif swept is not None:
        reason = swept.refused
    report = ShredReport(
        generations=live.shred(),
        protection=secrets[0].protection if secrets else None,
        exposure=live.exposures.seen(),
        sweep=swept,
        not_swept=reason,
        forgotten=live.exposures.forgotten,
        seconds=clock.monotonic() - began,
    )
    live.exposures.close()
    live.tell_shredded(report.figures())
    return report
