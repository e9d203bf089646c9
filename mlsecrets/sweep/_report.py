"""What a sweep found, wiped and left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SweepReport:
    """Numbers of one sweep of this process; all counts are of the values asked for.

    Attributes:
        copies: full copies found before anything was wiped, in any encoding.
        fragments: pieces of 12 bytes or more outside of full copies, likewise.
        wiped: stretches overwritten.
        left: full copies and fragments that the last look still found.
        registers: pieces seen in saved registers of threads, which are not written.
        passes: looks taken.
        threads: threads of the process that were stopped for it.
        scanned_bytes: read in one look.
        seconds: for all of it.
        frozen_seconds: how long the process stood still, all stops together.
        longest_freeze: the longest of them, in seconds.
        regions: where it was found: heap, stack, anon, file -> how many.
        unsearched: values not looked for: too short, or too uniform.
        refused: why nothing was swept, in words; None if it was. ``copies`` is then
            what could be counted nonetheless.
        notes: what was not looked for, a sentence each.
    """

    copies: int = 0
    fragments: int = 0
    wiped: int = 0
    left: int = 0
    registers: int = 0
    passes: int = 0
    threads: int = 0
    scanned_bytes: int = 0
    seconds: float = 0.0
    frozen_seconds: float = 0.0
    longest_freeze: float = 0.0
    regions: Mapping[str, int] = field(default_factory=dict)
    unsearched: int = 0
    refused: str | None = None
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        where = ", ".join(f"{count} in {name}" for name, count in self.regions.items())
        found = f"{self.copies} full copies and {self.fragments} fragments elsewhere"
        if where:
            found += f" ({where})"
        if self.refused is not None:
            return f"not swept: {self.refused}; {self.copies} full copies elsewhere"
        return (
            f"{found}; {self.wiped} wiped, {self.left} left; "
            f"{self.scanned_bytes / 1e6:.0f} MB in {self.seconds:.2f} s, "
            f"stopped for {self.frozen_seconds * 1000:.1f} ms"
        )
