"""mlsecrets: the lease that every session holds, on the simulation's clock.

Nothing of its rules is repeated here: `LiveGrant` renews, replaces, fails and backs off
as it does in a training process, by `_schedule` and `_setbacks`. What is missing is the
thread that would call it, since the simulation does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from mlsecrets._live import LiveGrant
from mlsecrets.credentials import BearerToken
from mlsecrets.errors import IssuerThrottled, IssuerUnreachable
from mlsecrets.events import Event
from mlsecrets.grant import Ending, Fate, Grant, Outcome, Terms
from mlsecrets.issuer import Limits
from mlsecrets.keys import Key
from mlsecrets.scope import Scope

from .node import Kind
from .service import Answer, Service


class _Clock:
    """Stands at the event that is being simulated."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        raise AssertionError("a renewal waits for nothing")


class _Nobody:
    """Is told of everything, and keeps nothing."""

    def record(self, event: Event) -> None:
        """Nothing."""


class _Issuer:
    """Grants what the service lets through; one token stands for all."""

    login = None
    KEYS: ClassVar[Mapping[str, Key]] = {}
    SCOPE_KEYS: ClassVar[Mapping[str, Key]] = {}
    VERBS: ClassVar[frozenset[str]] = frozenset({"read"})

    def __init__(self, service: Service, kind: Kind, clock: _Clock) -> None:
        self._service = service
        self._kind = kind
        self._clock = clock
        self._token = BearerToken.of("stands-for-every-token")

    def limits(self, scope: Scope) -> Limits:
        """As the kind of credential has them."""
        return Limits(self._kind.renewable, revokes=True, note="simulated")

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """New credentials."""
        self._call()
        now, kind = self._clock.now, self._kind
        end = now + kind.lifetime
        terms = Terms(
            scope.name, repr(now), now, kind.lifetime, end, renewable=kind.renewable
        )
        return Grant(terms, self._token)

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Later terms; as OpenBao, less of them near the maximum."""
        self._call()
        now = self._clock.now
        born = float(grant.terms.lease_id)
        life = min(self._kind.lifetime, born + self._kind.max_ttl - now)
        return replace(grant.terms, issued_at=now, lifetime=life, deadline=now + life)

    def retire(self, grant: Grant) -> Ending:
        """Its name is enough."""
        return Ending(grant.terms)

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """Not simulated: no block ends here."""
        return Outcome(Fate.REVOKED)

    def close(self) -> None:
        """Nothing to give back."""

    def _call(self) -> None:
        answer = self._service.ask(self._clock.now)
        if answer is Answer.AWAY:
            raise IssuerUnreachable("away")
        if answer is Answer.THROTTLED:
            raise IssuerThrottled("later", retry_after=Service.RETRY_AFTER)


class Leased:
    """One node's lease; see `node.Node`."""

    def __init__(
        self, number: int, issuer: _Issuer, clock: _Clock, scope: Scope
    ) -> None:
        self.renewed_at = self.valid_until = float("-inf")
        self._clock = clock
        self._live = LiveGrant(
            scope, issuer, clock=clock, recorder=_Nobody(), key=f"node-{number:05d}:0"
        )
        self._live.on_due = self._promised
        self._next = 0.0
        self._terms: Terms | None = None

    def act(self, now: float) -> float:
        """What the renewer's thread does; the first time, what opens the block."""
        self._clock.now = now
        if self._terms is None:
            self._live.open()
        else:
            self._live.tend()
        grant = self._live.peek()
        if grant is not None and grant.terms is not self._terms:
            self._terms = grant.terms
            self.valid_until, self.renewed_at = grant.terms.deadline, now
        return self._next

    def _promised(self, live: LiveGrant, due: float) -> None:
        self._next = due


def leased(service: Service, kind: Kind) -> Callable[[int], Leased]:
    """Makes the nodes of a fleet, by their number."""
    clock = _Clock()
    issuer = _Issuer(service, kind, clock)
    ceiling = (kind.max_ttl or kind.lifetime) if kind.told else float("inf")
    scope = Scope("train-data", "", "", "issuer", kind.lifetime, ceiling, ())
    return lambda number: Leased(number, issuer, clock, scope)
