"""What a lease holds now, and the steps that change it: issue, renew, fail, be doomed.

Nothing here locks or waits: whoever takes a step has the lease's turn (`_live`).
Readers look at `grant` without it, since that is swapped whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ._lease_events import LeaseEvents
from ._retired import Retired
from ._schedule import (
    catching_up,
    head_start,
    last_call,
    renewal_due,
    was_cut,
    would_be_cut,
)
from ._setbacks import FAILURES, Failure, Rejections, Setbacks, refused
from .clock import Clock
from .errors import AccessRefused, GrantGone
from .exposure import Exposures
from .grant import Grant, Terms
from .issuer import Issuer
from .scope import Scope


class Upkeep:
    """One lease's grant, and what has become of the tries to keep it.

    Args:
        scope: what to ask the issuer for.
        issuer: whom to ask.
        clock: reads time.
        events: are told what happens.
        key: makes this process's renewal instants its own (see `_schedule.jitter`).

    Attributes:
        grant: the newest credentials, perhaps expired; None before the first.
        retired: the generations before it.
        exposures: who was given what of any generation.
        setbacks: the failures since the last success.
        doom: monotonic seconds of an end that has been told; None while all is well.
        longest: seconds that its issuer last granted: no lease of this scope is longer.
    """

    def __init__(
        self,
        scope: Scope,
        issuer: Issuer,
        *,
        clock: Clock,
        events: LeaseEvents,
        key: str,
    ) -> None:
        self.grant: Grant | None = None
        self.retired = Retired(issuer, clock)
        self.exposures = Exposures()
        self.setbacks = Setbacks()
        self.doom: float | None = None
        self.longest = 0.0
        #: Told after each replacement.
        self.on_replaced: Callable[[], None] | None = None
        #: Told when an issuer's refusal dooms it.
        self.on_doomed: Callable[[Failure], None] | None = None
        self._scope = scope
        self._issuer = issuer
        self._clock = clock
        self._events = events
        self._key = key
        self._rejections = Rejections()
        self._replace_next = False
        # How far ahead of the usual moment the next renewal is due.
        self._ahead = head_start(key)
        # When the newest generation was asked for; how long its like can be renewed.
        self._born = float("-inf")
        self._longest_life = scope.max_ttl

    def adopt(self, exposures: Exposures) -> None:
        """Go on with what was noted while another process owned the lease."""
        self.exposures = exposures
        if self.grant is not None:
            self.grant.credentials.exposures = exposures

    # -- looking ---------------------------------------------------------------------

    def newest(self) -> Grant | None:
        """The grant, perhaps expired, its login's latest renewal counted."""
        return None if self.grant is None else self._under_login(self.grant)

    def live(self) -> Grant | None:
        """The grant if it is valid, its login's latest renewal counted."""
        grant = self.grant
        if grant is None:
            return None
        if self._clock.monotonic() < grant.terms.dies_at:
            return grant
        if grant.terms.parent is None:
            return None
        grant = self._under_login(grant)
        return grant if self._clock.monotonic() < grant.terms.dies_at else None

    def left(self, grant: Grant) -> float:
        """Seconds of life left in a grant, its login's latest renewal counted."""
        return self._under_login(grant).terms.remaining(self._clock.monotonic())

    def due(self) -> float:
        """The monotonic second at which the next try is due."""
        now, grant = self._clock.monotonic(), self.grant
        if grant is None:
            return now
        due = renewal_due(grant.terms, self._key, self._ahead)
        if self._replace_next:
            due = min(due, now)
        return max(due, self.setbacks.retry_at)

    @property
    def doomed_at(self) -> float | None:
        """Monotonic seconds at which it ends as far as is known; None if it goes on.

        Also when it is its issuer's login that has been refused: no call will be
        possible after the login's end, whatever comes of this lease until then.
        """
        login, grant = self._issuer.login, self.newest()
        root = login.doomed_at if login is not None else None
        if self.doom is not None or root is None or grant is None:
            return self.doom
        if grant.terms.parent is not None:
            return min(grant.terms.dies_at, root)
        return max(grant.terms.deadline, root)

    # -- steps -----------------------------------------------------------------------

    def issue(self, timeout: float) -> None:
        """Get new credentials, beside the old if there are any."""
        started = self._clock.monotonic()
        fresh = self._issuer.issue(self._scope, timeout)
        fresh.credentials.exposures = self.exposures
        old = self.grant
        ceiling = started + self._scope.max_ttl
        terms = replace(
            fresh.terms,
            ceiling=ceiling,
            deadline=min(fresh.terms.deadline, ceiling),
            generation=old.terms.generation + 1 if old is not None else 1,
        )
        if old is not None:
            self.retired.add(old)
            self._ahead = catching_up(old.terms, self._key, self._ahead, started)
        self._replace_next = False
        self._born = started
        self.longest = min(terms.lifetime, self._scope.max_ttl)
        self.grant = self._under_login(fresh.renewed(terms))
        self._succeeded()
        self._events.issued(self.grant, self._clock.monotonic() - started)
        if old is not None and self.on_replaced is not None:
            self.on_replaced()

    def extend(self, timeout: float) -> None:
        """Get later terms if there are any worth having, else new credentials."""
        grant = self.grant
        assert grant is not None  # noqa: S101  (nothing is extended before it is issued)
        now = self._clock.monotonic()
        dead = now >= grant.terms.deadline
        last = would_be_cut(grant.terms, now, self._born + self._longest_life)
        if dead or last or self._replace_next or not grant.terms.renewable:
            self.issue(timeout)
            return
        try:
            terms = self._issuer.renew(self._scope, grant, timeout)
        except GrantGone:
            # The issuer no longer knows it: there is nothing left to renew.
            self.issue(timeout)
            return
        except AccessRefused:
            # Not for want of an issuer, but for good: it is replaced once, at the time
            # of those that never renew. A renewal that merely fails replaces nothing.
            self.grant = grant.renewed(replace(grant.terms, renewable=False))
            self._events.capped(grant, "the issuer does not let this login renew it")
            return
        renewed = self._renewed(grant, terms, now)
        if was_cut(grant.terms, renewed.terms, self._scope.ttl or math.inf):
            self._events.capped(renewed, "renewing it has met its maximum")
            self._longest_life = renewed.terms.deadline - self._born
            self._replace_next = True
            self.issue(timeout)

    def reject(self, generation: int, timeout: float, *, certain: bool) -> None:
        """Replace credentials that a server refuses, if they are still the newest.

        Args:
            generation: which were refused.
            timeout: seconds for the call.
            certain: they are dead by their issuer's own word, not only refused.
        """
        grant, now = self.grant, self._clock.monotonic()
        if grant is None or grant.terms.generation != generation:
            return
        if certain:
            dead = replace(grant.terms, deadline=min(grant.terms.deadline, now))
            self.grant = grant.renewed(dead)
        elif not self._rejections.believe(now):
            return
        self._events.rejected(grant)
        self._replace_next = True
        if now >= self.setbacks.retry_at:
            self.attempt(self.issue, timeout)

    def attempt(self, step: Callable[[float], None], timeout: float) -> None:
        """Take a step whose failure is noted, not raised."""
        try:
            step(timeout)
        except FAILURES as error:
            self.failed(error)

    def replace_next(self) -> None:
        """Replace instead of renewing at the next try, which is due now."""
        self._replace_next = True

    def failed(self, error: Failure) -> None:
        """Note a failure, tell it, and tell as early as can be known if it is the end.

        A refusal is the end at once. An outage counts as the end while there is still
        time to save the work.
        """
        now, grant = self._clock.monotonic(), self.newest()
        left = grant.terms.remaining(now) if grant is not None else 0.0
        lifetime = grant.terms.lifetime if grant is not None else 0.0
        pause = self.setbacks.note(error, now, left, lifetime)
        self._events.failed(error, left, pause)
        if grant is None or left <= 0 or self.doomed_at is not None:
            return
        if refused(error) or left - pause <= last_call(grant.terms.lifetime):
            self.doom = grant.terms.dies_at
            self._events.doomed(self.doom, error)
            if refused(error) and self.on_doomed is not None:
                self.on_doomed(error)

    def clear(self) -> None:
        """In a forked child: let go of everything."""
        self.grant = None
        self.retired.forget()

    # -- inside ----------------------------------------------------------------------

    def _renewed(self, grant: Grant, terms: Terms, asked_at: float) -> Grant:
        # max_ttl counts from the issue, whatever the issuer would still renew.
        ceiling = grant.terms.ceiling or terms.deadline
        terms = replace(terms, ceiling=ceiling, deadline=min(terms.deadline, ceiling))
        self._ahead = catching_up(grant.terms, self._key, self._ahead, asked_at)
        renewed = self.grant = self._under_login(grant.renewed(terms))
        self._succeeded()
        self._events.renewed(renewed)
        return renewed

    def _succeeded(self) -> None:
        self.setbacks.clear()
        self.doom = None

    def _under_login(self, grant: Grant) -> Grant:
        """The grant, which ends no later than the login that it dies with."""
        login, parent = self._issuer.login, grant.terms.parent
        if login is None or parent is None:
            return grant
        end = login.end_of(parent)
        if end is None:
            # There is another login: this grant ends when its own one does.
            self._replace_next = True
            return grant
        return grant.renewed(replace(grant.terms, login_deadline=end))
