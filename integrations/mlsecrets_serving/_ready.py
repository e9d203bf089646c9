"""Whether the leases that a server needs are valid now: what a readiness probe asks."""

from __future__ import annotations

from dataclasses import dataclass

from mlsecrets import Lease, Reference, open_scopes
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.errors import MLSecretsError, NotLeased


@dataclass(frozen=True)
class LeaseState:
    """One lease as this process sees it.

    Attributes:
        scope: whose.
        seconds_left: until its present credentials end; 0 if there are none.
        doomed: whether it will end then, as far as anybody knows. False in a worker,
            which is not told.
        problem: why it is not valid, by the name of the error; empty if it is.
    """

    scope: str
    seconds_left: float = 0.0
    doomed: bool = False
    problem: str = ""

    @property
    def valid(self) -> bool:
        """Whether requests can be signed with it."""
        return self.seconds_left > 0.0


def lease_states(*scopes: str) -> tuple[LeaseState, ...]:
    """Each named lease, asked for anew: a lease that its owner has ended is not valid.

    It may block while an issuer or an owner does not answer, so call it on a thread.

    Args:
        scopes: names from the manifest.
    """
    try:
        names = {view.name for view in open_scopes()}
    except MLSecretsError as error:
        problem = type(error).__name__
        return tuple(LeaseState(scope, problem=problem) for scope in scopes)
    return tuple(
        _state(scope)
        if scope in names
        else LeaseState(scope, problem=NotLeased.__name__)
        for scope in scopes
    )


def _state(scope: str) -> LeaseState:
    lease = Lease(Reference(scope), None)
    try:
        terms = lease.snapshot().terms
        left = max(terms.remaining(SYSTEM_CLOCK.monotonic()), 0.0)
        return LeaseState(scope, left, _is_doomed(lease))
    except MLSecretsError as error:
        return LeaseState(scope, problem=type(error).__name__)


def _is_doomed(lease: Lease) -> bool:
    try:
        return lease.doomed is not None
    except NotLeased:
        return False
