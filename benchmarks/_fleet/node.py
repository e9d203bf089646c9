"""What the simulation asks of one node, whichever rule it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Kind:
    """What the issuer grants.

    Attributes:
        lifetime: seconds that each grant or renewal gives.
        max_ttl: seconds after its issue past which it cannot be renewed; 0 if it cannot
            be renewed at all.
        told: whether the manifest names that maximum, too.
    """

    lifetime: float
    max_ttl: float = 0.0
    told: bool = True

    @property
    def renewable(self) -> bool:
        """Whether it can be renewed."""
        return self.max_ttl > 0


class Node(Protocol):
    """One owner of one credential.

    Attributes:
        valid_until: seconds at which what it holds ends.
        renewed_at: seconds of its last success.
    """

    valid_until: float
    renewed_at: float

    def act(self, now: float) -> float:
        """Do what is due at `now`; seconds at which to be called next."""
