"""What a picture can show beside leases: parts of a run, and what was done in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """A part of the run, drawn behind everything; instants in epoch seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Activity:
    """What was done again and again, such as reads: how often, and what failed.

    Attributes:
        name: in the plural, such as ``reads``.
        good: the epoch seconds of those that went well.
        bad: of those that failed.
    """

    name: str
    good: Sequence[float] = ()
    bad: Sequence[float] = ()
