"""A grant kept alive: one slot, whose content is swapped whole.

Readers take what is in the slot without a lock. Whoever changes it, the renewal
thread or a reader that found it dead, takes the turn first, so that one issuer call is
under way at a time however many threads wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ._retired import Retired
from ._schedule import call_timeout, gained_too_little, renewal_due
from ._setbacks import FAILURES, Setbacks
from .clock import Clock
from .credentials import Credentials
from .errors import (
    GrantGone,
    IdentityError,
    IssuerError,
    IssuerUnavailable,
    LeaseClosed,
    LeaseExpired,
)
from .events import Event, Recorder
from .grant import Ending, Fate, Grant, Outcome
from .issuer import Issuer
from .scope import Scope

#: Seconds for a call that nobody can do without: the first, or the one after the end.
PATIENCE = 10.0
#: What the journal calls the end of a grant.
EVENT_OF_FATE = {
    Fate.REVOKED: "revoked",
    Fate.EXPIRED: "expired",
    Fate.ENDS_AT_TTL: "ends_at_ttl",
    Fate.STATIC: "ends_at_ttl",
}


class LiveGrant:
    """Holds one scope's grant, keeps it valid, and ends it.

    Args:
        scope: what to ask the issuer for.
        issuer: whom to ask.
        clock: reads time.
        recorder: is told of everything that happens.
        key: makes this process's renewal instants its own (see `_schedule.jitter`).
    """

    def __init__(
        self,
        scope: Scope,
        issuer: Issuer,
        *,
        clock: Clock,
        recorder: Recorder,
        key: str = "",
    ) -> None:
        self.scope = scope
        self.issuer = issuer
        self._clock = clock
        self._recorder = recorder
        self._key = f"{scope.name}:{key}"
        self._turn = threading.Lock()
        self._grant: Grant | None = None
        self._retired = Retired(issuer, clock)
        self._closed = False
        self._replace_next = False
        #: Whether this is a forked child's copy: the parent's process owns the lease.
        self.forgotten = False
        self._setbacks = Setbacks()
        self._last: Grant | None = None
        #: Told of the instant at which to call `tend`; the session points it to the
        #: renewal thread.
        self.on_due: Callable[[LiveGrant, float], None] | None = None
        #: Told after each replacement; the session uses it to replace what hangs on it.
        self.on_replaced: Callable[[LiveGrant], None] | None = None

    # -- reading ---------------------------------------------------------------------

    def snapshot(self) -> Grant:
        """The whole grant of one generation; never blocks or raises while it is valid.

        Raises:
            LeaseClosed: the lease has ended.
            LeaseExpired: nothing valid is left and the issuer gives nothing new.
        """
        grant = self._grant
        if grant is not None and self._clock.monotonic() < grant.terms.deadline:
            return grant
        return self._revive()

    def peek(self) -> Grant | None:
        """The grant if it is valid, None if `snapshot` would have to wait."""
        grant = self._grant
        if grant is not None and self._clock.monotonic() < grant.terms.deadline:
            return grant
        return None

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    @property
    def lease_id(self) -> str | None:
        """The issuer's name for the credentials at hand, if there are any."""
        grant = self._grant
        return grant.terms.lease_id if grant is not None else None

    @property
    def parent(self) -> str | None:
        """The login that the credentials at hand die with, if any."""
        grant = self._grant
        return grant.terms.parent if grant is not None else None

    def next_renewal(self) -> float:
        """The monotonic second at which the next renewal is due."""
        grant = self._grant
        if grant is None:
            return self._clock.monotonic()
        return max(renewal_due(grant.terms, self._key), self._setbacks.retry_at)

    # -- changing --------------------------------------------------------------------

    def open(self) -> None:
        """Get the first credentials; the caller waits for them."""
        with self._turn:
            if self._grant is None:
                self._issue(PATIENCE)
        self._announce()

    def tend(self) -> None:
        """Renew or replace, as the terms allow; failures are noted, not raised."""
        with self._turn:
            if self._closed or self._grant is None:
                return
            terms = self._grant.terms
            timeout = call_timeout(terms.remaining(self._clock.monotonic()))
            try:
                self._extend(timeout)
            except FAILURES as error:
                self._note_failure(error)
        self._announce()

    def invalidate(self, generation: int) -> None:
        """Replace credentials that a server refused although they should live.

        Does nothing if that generation is already gone, so that a burst of refusals
        costs one issuer call.
        """
        with self._turn:
            grant = self._grant
            if self._closed or grant is None or grant.terms.generation != generation:
                return
            self._record("rejected", generation=generation)
            try:
                self._issue(PATIENCE)
            except FAILURES as error:
                self._note_failure(error)
        self._announce()

    def replace_soon(self) -> None:
        """Replace, not renew, and at once: the login that it dies with is going."""
        self._replace_next = True
        if self.on_due is not None and not self._closed:
            self.on_due(self, self._clock.monotonic())

    def _extend(self, timeout: float) -> None:
        grant = self._grant
        assert grant is not None  # noqa: S101  (checked by the caller under the turn)
        if self._replace_next or not grant.terms.renewable:
            self._issue(timeout)
            return
        try:
            terms = self.issuer.renew(self.scope, grant, timeout)
        except GrantGone:
            # The issuer no longer knows it: there is nothing left to renew.
            self._issue(timeout)
            return
        # max_ttl counts from the issue, whatever the issuer would still renew.
        ceiling = grant.terms.ceiling or terms.deadline
        terms = replace(terms, ceiling=ceiling, deadline=min(terms.deadline, ceiling))
        self._grant = grant.renewed(terms)
        self._setbacks.clear()
        self._record("renewed", **self._terms_detail())
        if gained_too_little(grant.terms, terms):
            self._issue(timeout)

    def _issue(self, timeout: float) -> None:
        if self._closed:
            raise LeaseClosed(f"lease {self.scope.name} has ended")
        started = self._clock.monotonic()
        fresh = self._capped(self.issuer.issue(self.scope, timeout), started)
        old = self._grant
        if old is not None:
            terms = replace(fresh.terms, generation=old.terms.generation + 1)
            fresh = replace(fresh, terms=terms)
            self._retired.add(old)
        self._grant = fresh
        self._replace_next = False
        self._setbacks.clear()
        took = round((self._clock.monotonic() - started) * 1000, 1)
        name = "issued" if old is None else "replaced"
        self._record(name, ms=took, **self._terms_detail())
        if old is not None and self.on_replaced is not None:
            self.on_replaced(self)

    def _capped(self, grant: Grant, now: float) -> Grant:
        ceiling = now + self.scope.max_ttl
        deadline = min(grant.terms.deadline, ceiling)
        return replace(
            grant, terms=replace(grant.terms, ceiling=ceiling, deadline=deadline)
        )

    def _revive(self) -> Grant:
        with self._turn:
            if self._closed:
                raise LeaseClosed(
                    f"lease {self.scope.name} has ended: its block was left",
                    remedy="keep the work that needs it inside the with block",
                )
            grant, now = self._grant, self._clock.monotonic()
            if grant is not None and now < grant.terms.deadline:
                return grant
            setback = self._setbacks.last
            if setback is not None and now < self._setbacks.retry_at:
                raise self._expired(setback) from setback
            try:
                self._issue(PATIENCE)
            except FAILURES as error:
                if grant is None:
                    raise  # nothing has expired: it could not be had in the first place
                self._note_failure(error)
                raise self._expired(error) from error
            grant = self._grant
        assert grant is not None  # noqa: S101  (_issue has just set it)
        self._announce()
        return grant

    # -- ending ----------------------------------------------------------------------

    def close(self, timeout: float = PATIENCE) -> list[tuple[Ending, Outcome]]:
        """End every generation that still lives, at the issuer; keep the secrets.

        The secrets stay until `shred`, so that what is left of them elsewhere in the
        process can be counted in between. Idempotent.
        """
        with self._turn:
            if self._closed:
                return []
            self._closed = True
            self._last, self._grant = self._grant, None
            if self._last is not None:
                self._retired.add(self._last)
        ended = self._retired.end(timeout)
        for ending, outcome in ended:
            self._record_end(ending, outcome)
        return ended

    def secrets(self) -> list[Credentials]:
        """The credentials not yet wiped, after `close`: the needles of a scan."""
        return self._retired.secrets()

    def shred(self) -> int:
        """Wipe every generation that is still in memory; how many there were."""
        held = self.secrets()
        for credentials in held:
            credentials.close()
        self._last = None
        self._record("shredded", generations=len(held))
        return len(held)

    def forget(self) -> None:
        """In a forked child: let go of everything; the memory is already zeros."""
        self._turn = threading.Lock()
        self._grant = None
        self._last = None
        self._retired.forget()
        self._closed = True
        self.forgotten = True

    # -- telling ---------------------------------------------------------------------

    def _note_failure(self, error: IssuerError | IdentityError) -> None:
        now = self._clock.monotonic()
        left = self._grant.terms.remaining(now) if self._grant else 0.0
        pause = self._setbacks.note(error, now, left)
        self._record(
            "renewal_failed",
            error=type(error).__name__,
            transient=isinstance(error, IssuerUnavailable),
            seconds_left=round(left, 3),
            next_try_in=round(pause, 3),
        )

    def _record_end(self, ending: Ending, outcome: Outcome) -> None:
        left = ending.terms.remaining(self._clock.monotonic())
        self._record(
            EVENT_OF_FATE[outcome.fate],
            generation=ending.terms.generation,
            lease_id=ending.terms.lease_id,
            seconds_left=round(max(left, 0.0), 3),
            **({"reason": outcome.reason} if outcome.reason else {}),
        )

    def _expired(self, error: IssuerError | IdentityError) -> LeaseExpired:
        return LeaseExpired(
            f"lease {self.scope.name} has expired and issuer {self.scope.issuer} gives "
            f"nothing new: {error}",
            remedy=error.remedy,
        )

    def _announce(self) -> None:
        if self.on_due is not None and not self._closed:
            self.on_due(self, self.next_renewal())

    def _terms_detail(self) -> dict[str, Any]:
        grant = self._grant
        assert grant is not None  # noqa: S101  (called after a swap only)
        terms = grant.terms
        return {
            "generation": terms.generation,
            "lease_id": terms.lease_id,
            "lifetime": round(terms.lifetime, 3),
            "expires_at": round(terms.expires_at, 3),
        }

    def _record(self, name: str, **detail: Any) -> None:
        # A recorder is told to never raise; a broken one must not break a lease.
        with suppress(OSError, ValueError):
            self._recorder.record(
                Event(name, self.scope.name, self._clock.wall(), os.getpid(), detail)
            )
