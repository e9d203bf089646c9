"""What an issuer granted: credentials and their terms, immutable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum

from .credentials import Credentials
from .memory import SecretBuffer


@dataclass(frozen=True)
class Terms:
    """Everything about a grant that is no secret.

    Attributes:
        scope: the manifest's name for the right.
        lease_id: the issuer's own name for the grant (an OpenBao lease id, the
            RoleSessionName of an STS session, a token's accessor): it is in the
            issuer's audit log.
        issued_at: wall-clock epoch seconds at this machine, for people.
        lifetime: seconds the credentials were granted for, from `issued_at`.
        deadline: monotonic seconds at which they end by themselves.
        renewable: whether the issuer offers later terms for the same credentials.
        ceiling: monotonic seconds past which no renewal goes: the scope's max_ttl,
            counted from the issue.
        parent: the lease_id of the login that the grant dies with, if any.
        generation: 1 for a lease's first credentials, one more for each replacement.
        login_deadline: monotonic seconds at which that login ends, if it is not renewed
            until then.
        dies_at: the earlier of the two: what is past it is not used.
    """

    scope: str
    lease_id: str
    issued_at: float
    lifetime: float
    deadline: float
    renewable: bool = False
    ceiling: float | None = None
    parent: str | None = None
    generation: int = 1
    login_deadline: float = math.inf
    dies_at: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Once, because every read compares it with the clock.
        object.__setattr__(self, "dies_at", min(self.deadline, self.login_deadline))

    @property
    def expires_at(self) -> float:
        """Wall-clock epoch seconds of the end, for people and host libraries."""
        return self.issued_at + self.lifetime

    def remaining(self, now: float) -> float:
        """Seconds of life left at monotonic `now`; negative once dead."""
        return self.dies_at - now


@dataclass(frozen=True)
class Grant:
    """Credentials and their terms. A snapshot of a lease is one of these."""

    terms: Terms
    credentials: Credentials

    def __post_init__(self) -> None:
        self.credentials.scope = self.terms.scope

    def renewed(self, terms: Terms) -> Grant:
        """The same credentials on later terms: a renewal carries no secret."""
        return replace(self, terms=terms)


#: Seconds by which a life may be counted short: instants of JWTs, STS answers and Date
#: headers are whole seconds, and each is rounded to our disadvantage.
ROUNDING = 2.0


class Fate(str, Enum):
    """What became of credentials when they were no longer wanted."""

    REVOKED = "revoked"
    ENDS_AT_TTL = "ends at TTL"
    EXPIRED = "expired"
    STATIC = "static"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Outcome:
    """An honest word on the end of one grant.

    Attributes:
        fate: revoked only if an issuer or a revoker confirmed it.
        reason: why it was not revoked; empty if it was.
    """

    fate: Fate
    reason: str = ""


@dataclass(frozen=True)
class Ending:
    """The least that can still end a grant after its secrets have been wiped.

    An OpenBao lease needs only its id. An STS session must prove itself, so the
    proof is signed before the key goes.

    Attributes:
        terms: of the grant to end.
        proof: sealed bytes that the issuer made for itself, if it needs any.
        proof_deadline: monotonic seconds after which the proof is worthless.
    """

    terms: Terms
    proof: SecretBuffer | None = None
    proof_deadline: float | None = None

    def close(self) -> None:
        """Wipe the proof."""
        if self.proof is not None:
            self.proof.close()
