"""What became of a lease's credentials when its block ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .exposure import Exposure
from .grant import ROUNDING, Fate, Outcome, Terms
from .memory import Protection
from .sweep import SweepReport

#: What is said of a lease that was left, and not ended.
OTHERS = "other processes of the job hold it still"


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

    def to_dict(self) -> dict[str, Any]:
        """For a member of the job, whose owner ended it."""
        return {
            "scope": self.terms.scope,
            "lease_id": self.terms.lease_id,
            "issued_at": self.terms.issued_at,
            "lifetime": self.terms.lifetime,
            "generation": self.terms.generation,
            "fate": self.outcome.fate.value,
            "reason": self.outcome.reason,
            "seconds_left": self.seconds_left,
        }

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any], now: float) -> EndedGrant:
        """The inverse of `to_dict`, its instants by the clock of this process."""
        terms = Terms(
            scope=parts["scope"],
            lease_id=parts["lease_id"],
            issued_at=parts["issued_at"],
            lifetime=parts["lifetime"],
            deadline=now + parts["seconds_left"] - ROUNDING,
            generation=parts["generation"],
        )
        outcome = Outcome(Fate(parts["fate"]), parts["reason"])
        return cls(terms, outcome, parts["seconds_left"])

    def __str__(self) -> str:
        head = f"generation {self.terms.generation} {self.outcome.fate}"
        if self.outcome.fate is Fate.ENDS_AT_TTL:
            head += f", in {self.seconds_left:.1f} s at the latest"
        return f"{head} ({self.outcome.reason})" if self.outcome.reason else head


@dataclass(frozen=True)
class ShredReport:
    """What became of a lease's secrets in this process's memory.

    Attributes:
        generations: how many were wiped from our own memory at the end; those before
            were wiped when they were replaced.
        protection: what the operating system gave for that memory.
        exposure: who was given what, and how far it left that memory.
        sweep: what was found outside of it and wiped; shared by the leases that ended
            together. None if there was no sweep.
        not_swept: why not; None if it was swept.
        forgotten: how many revealed values of old generations were too many to be kept,
            and so were not looked for.
        seconds: how long all of it took.
    """

    generations: int
    protection: Protection | None = None
    exposure: tuple[Exposure, ...] = ()
    sweep: SweepReport | None = None
    not_swept: str | None = None
    forgotten: int = 0
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Names and numbers, for the journal."""
        return {
            "generations": self.generations,
            "memory": self.protection.kind if self.protection else None,
            "exposure": [str(exposure) for exposure in self.exposure],
            "sweep": asdict(self.sweep) if self.sweep else None,
            "not_swept": self.not_swept,
            "forgotten": self.forgotten,
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        kind = f" ({self.protection.kind})" if self.protection else ""
        lines = [f"{self.generations} generation(s) wiped from our own memory{kind}"]
        lines += [str(exposure) for exposure in self.exposure]
        if self.sweep is not None:
            lines.append(str(self.sweep))
        elif self.not_swept is not None:
            lines.append(f"not swept: {self.not_swept}")
        if self.forgotten:
            lines.append(f"{self.forgotten} older revealed values were not looked for")
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class ExitReport:
    """What became of a lease at the end of its block.

    Attributes:
        scope: the lease's scope.
        ended: every generation that had not long expired, newest first; none if other
            processes of the job hold the lease still.
        shred: what became of it in memory.
    """

    scope: str
    ended: tuple[EndedGrant, ...]
    shred: ShredReport

    def to_dict(self) -> list[dict[str, Any]]:
        """What a member of the job is told: its own memory it knows itself."""
        return [end.to_dict() for end in self.ended]

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
        ended = ", ".join(map(str, self.ended)) or OTHERS
        return f"<ExitReport {self.scope}: {ended}>"

    def __str__(self) -> str:
        lines = [f"{self.scope}: {end}" for end in self.ended or (OTHERS,)]
        lines += [f"{self.scope}: {line}" for line in str(self.shred).splitlines()]
        return "\n".join(lines)
