"""What became of a lease's credentials when its block ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .grant import ROUNDING, Fate, Outcome, Terms
from .memory import CopyReport, Protection


@dataclass(frozen=True)
class EndedGrant:
    """The end of one generation.

    Attributes:
        terms: which one.
        outcome: what happened to it, as confirmed by an issuer or a revoker.
        seconds_left: how long it could still have lived, at most; 0 if it had expired.
    """

    terms: Terms
    outcome: Outcome
    seconds_left: float

    @classmethod
    def at(cls, terms: Terms, outcome: Outcome, now: float) -> EndedGrant:
        """The end of a grant at monotonic `now`."""
        return cls(terms, outcome, max(terms.deadline - now + ROUNDING, 0.0))

    def __str__(self) -> str:
        head = f"generation {self.terms.generation} {self.outcome.fate}"
        if self.outcome.fate is Fate.ENDS_AT_TTL:
            head += f", in {self.seconds_left:.1f} s at the latest"
        return f"{head} ({self.outcome.reason})" if self.outcome.reason else head


@dataclass(frozen=True, repr=False)
class ExitReport:
    """What became of a lease at the end of its block.

    Attributes:
        scope: the lease's scope.
        ended: every generation that had not long expired, newest first.
        shredded: how many generations were wiped from our own memory at the end.
        protection: what the operating system gave for that memory.
        copies: what a search of this process's memory found outside of it; None if
            it was not asked for (``configure(scan_on_exit=True)``).
    """

    scope: str
    ended: tuple[EndedGrant, ...]
    shredded: int
    protection: Protection | None = None
    copies: CopyReport | None = None

    def with_login(self, accessor: str, outcome: Outcome) -> ExitReport:
        """The same after the login has ended that some grants depend on.

        What the issuer did not let us revoke by name died with the token above it, if
        that was revoked.
        """
        if outcome.fate is not Fate.REVOKED:
            return self
        ended = tuple(
            replace(end, outcome=Outcome(Fate.REVOKED, "with the process's own token"))
            if end.outcome.fate is Fate.ENDS_AT_TTL and end.terms.parent == accessor
            else end
            for end in self.ended
        )
        return replace(self, ended=ended)

    def __repr__(self) -> str:
        return f"<ExitReport {self.scope}: {', '.join(map(str, self.ended))}>"

    def __str__(self) -> str:
        lines = [f"{self.scope}: {end}" for end in self.ended]
        lines.append(f"{self.scope}: {self.shredded} generation(s) wiped from memory")
        if self.copies is not None:
            lines.append(f"{self.scope}: {_found(self.copies)}")
        return "\n".join(lines)


def _found(copies: CopyReport) -> str:
    """What a search of memory found, in words."""
    if copies.skipped is not None:
        return f"memory not searched: {copies.skipped}"
    where = ", ".join(f"{count} in {name}" for name, count in copies.regions.items())
    return (
        f"{copies.copies} full copies elsewhere in {copies.scanned_bytes / 1e6:.0f} MB "
        f"of memory{f' ({where})' if where else ''}, searched in {copies.seconds:.2f} s"
    )
