"""What readers have in common that insist on secrets as Python strings."""

from __future__ import annotations

from typing import Any, ClassVar
from weakref import WeakSet

from .._reference import Reference
from ..clock import SYSTEM_CLOCK
from ..exposure import Exposures
from ..grant import Grant

#: The share of what is left of a life for which values are lent: whoever comes back
#: then finds the next generation, or asks once more, before the end.
SHARE = 0.9


class RevealingProvider:
    """A function that a library calls for credentials whenever its last are too old.

    It pickles, compares and prints as the lease's reference: no secret is in it. As
    long as it lives, its library may use what it was shown, so memory is not swept:
    drop what holds it before the block ends.

    Args:
        reference: the lease.
    """

    READER: ClassVar[str]

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        # Of each lease of the scope that it has read, and so is a holder of.
        self._held: WeakSet[Exposures] = WeakSet()

    def _shown(self) -> tuple[Grant, dict[str, str]]:
        """One generation's values as strings; noted."""
        grant = self.reference.source().snapshot()
        credentials = grant.credentials
        if credentials.exposures not in self._held:
            credentials.exposures.holds(self.READER, self)
            self._held.add(credentials.exposures)
        values = {f: credentials.reveal(f, self.READER) for f in credentials.FIELDS}
        return grant, {**credentials.public, **values}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash((type(self), self.reference))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.reference,))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.reference.scope}>"


def lent_until(grant: Grant) -> float:
    """Wall-clock epoch seconds until which a reader may keep what it was shown."""
    left = grant.terms.remaining(SYSTEM_CLOCK.monotonic())
    return SYSTEM_CLOCK.wall() + max(left, 0.0) * SHARE
