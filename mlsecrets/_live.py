"""A grant kept alive: one slot, whose content is swapped whole.

Readers take what is in the slot without a lock. Whoever changes it, a renewal or a
reader that found it dead, takes the turn first, so that one issuer call is under way
at a time however many threads wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._forks import forgets
from ._lease_events import LeaseEvents
from ._schedule import call_timeout
from ._setbacks import FAILURES, Failure, refused
from ._upkeep import Upkeep
from .clock import Clock
from .credentials import Credentials
from .errors import LeaseClosed, LeaseExpired, LeaseTooShort
from .events import Recorder
from .exposure import Exposures
from .grant import Ending, Grant, Outcome
from .issuer import Issuer
from .memory import Opaque
from .scope import Scope

#: Seconds for a call that nobody can do without: the first, or the one after the end.
PATIENCE = 10.0
#: Seconds after which a worker asks again, at the least.
SOON = 0.05


class LiveGrant(Opaque):
    """Holds one scope's grant, keeps it valid, and ends it.

    Args:
        scope: what to ask the issuer for.
        issuer: whom to ask.
        clock: reads time.
        recorder: is told of everything that happens.
        key: makes this process's renewal instants its own (see `_schedule.jitter`).
        patience: seconds past the end for which readers wait for an issuer that is
            away, before they are told that the lease has expired.
    """

    WHAT = "a lease's source"
    INSTEAD = "send the lease, or its reference"

    def __init__(
        self,
        scope: Scope,
        issuer: Issuer,
        *,
        clock: Clock,
        recorder: Recorder,
        key: str = "",
        patience: float = 0.0,
    ) -> None:
        self.scope = scope
        self.issuer = issuer
        self.clock = clock
        self._events = LeaseEvents(scope.name, clock, recorder)
        self._patience = patience
        # Notified after every change, for those who wait for an issuer to come back.
        self._turn = threading.Condition(threading.Lock())
        self._held = Upkeep(
            scope, issuer, clock=clock, events=self._events, key=f"{scope.name}:{key}"
        )
        self._held.on_replaced = self._replaced
        self._held.on_doomed = self._doomed
        self._closed = False
        # The last generation, kept from being wiped between its end and `shred`.
        self._last: Grant | None = None
        #: Whether this is a forked child's copy: the parent's process owns the lease.
        self.forgotten = False
        #: Told of the instant at which to call `tend`; the session points it to the
        #: renewer.
        self.on_due: Callable[[LiveGrant, float], None] | None = None
        #: Told after each replacement; the session uses it to replace what hangs on it.
        self.on_replaced: Callable[[LiveGrant], None] | None = None
        #: Told when it is doomed; the session uses it to tell what hangs on it.
        self.on_doomed: Callable[[LiveGrant, Failure], None] | None = None
        forgets(self)

    # -- reading ---------------------------------------------------------------------

    def snapshot(self, *, patient: bool = True) -> Grant:
        """The whole grant of one generation; never blocks or raises while it is valid.

        Args:
            patient: wait for an issuer that is away, as long as readers may; else the
                error says after how many seconds to ask again.

        Raises:
            LeaseClosed: the lease has ended.
            LeaseExpired: nothing valid is left and the issuer gives nothing new.
        """
        grant = self._held.grant
        if grant is not None and self.clock.monotonic() < grant.terms.dies_at:
            return grant
        return self._held.live() or self._revive(patient=patient)

    def peek(self) -> Grant | None:
        """The grant if it is valid, None if `snapshot` would have to wait."""
        return self._held.live()

    def ensure(self, seconds: float, *, patient: bool = True) -> Grant:
        """The grant, with at least so many seconds of validity left.

        Renews or replaces ahead of time if that is what it takes, once for all that
        ask. Takes nothing away: if it cannot be, the grant at hand stays as it is.

        Args:
            seconds: of validity, from now.
            patient: as for `snapshot`.

        Raises:
            LeaseTooShort: it cannot be valid for so long; says for how long it can.
            LeaseClosed, LeaseExpired: as for `snapshot`.
        """
        grant = self.snapshot(patient=patient)
        if self._held.left(grant) >= seconds:
            return grant
        with self._changing():
            return self._lengthen(self._valid(patient=patient), seconds)

    @property
    def name(self) -> str:
        """The scope's name."""
        return self.scope.name

    @property
    def exposures(self) -> Exposures:
        """Who was given what of its secrets, in this process."""
        return self._held.exposures

    def adopt(self, exposures: Exposures) -> None:
        """Go on with what was noted while another process owned the lease."""
        self._held.adopt(exposures)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    @property
    def lease_id(self) -> str | None:
        """The issuer's name for the credentials at hand, if there are any."""
        grant = self._held.grant
        return grant.terms.lease_id if grant is not None else None

    @property
    def parent(self) -> str | None:
        """The login that the credentials at hand die with, if any."""
        grant = self._held.grant
        return grant.terms.parent if grant is not None else None

    def end_of(self, lease_id: str) -> float | None:
        """Monotonic seconds at which credentials of that name end, or have ended.

        None if they are not the newest: nothing more is known of them.
        """
        grant = self._held.grant
        if grant is None or grant.terms.lease_id != lease_id:
            return None
        return grant.terms.dies_at

    @property
    def doomed_at(self) -> float | None:
        """Monotonic seconds at which it ends as far as is known; None if it goes on."""
        return self._held.doomed_at

    def next_renewal(self) -> float:
        """The monotonic second at which the next renewal is due."""
        return self._held.due()

    def figures(self) -> dict[str, Any]:
        """How it fares, for people who look on: numbers and names, nothing secret.

        ``generation``, ``issued_at`` (its last terms, in wall-clock seconds) and
        ``remaining`` (seconds of life) are None before the first credentials.
        """
        grant, told = self._held.newest(), self._events
        terms = None if grant is None else grant.terms
        now = self.clock.monotonic()
        return {
            "generation": terms and terms.generation,
            "issued_at": terms and terms.issued_at,
            "remaining": terms and terms.remaining(now),
            "doomed": self.doomed_at is not None,
            "renewals": told.renewals,
            "failures": told.failures,
            "last_failure": told.last_failure,
        }

    # -- changing --------------------------------------------------------------------

    def open(self) -> None:
        """Get the first credentials; the caller waits for them."""
        with self._changing():
            if self._held.grant is None:
                self._must_be_open()
                self._held.issue(PATIENCE)

    def tend(self) -> None:
        """Renew or replace, as the terms allow; failures are noted, not raised.

        Does nothing if a reader has done it while this waited for its turn.
        """
        before = self._held.grant
        with self._changing():
            if before is not None and self._held.grant is before:
                timeout = call_timeout(self._held.left(before))
                self._held.attempt(self._held.extend, timeout)

    def invalidate(self, generation: int, *, certain: bool = False) -> None:
        """Replace credentials that a server refused although they should live.

        Does nothing if that generation is already gone, so that a burst of refusals
        costs one issuer call; nor while the issuer is away or has just been asked.

        Args:
            generation: which were refused.
            certain: they are dead by their issuer's own word: nobody gets them again.
        """
        with self._changing():
            self._held.reject(generation, PATIENCE, certain=certain)

    def replace_soon(self) -> None:
        """Replace, not renew, and at once: the login that it dies with is going."""
        self._held.replace_next()
        self._announce()

    def tell_doomed(self, error: Failure) -> None:
        """Say that it ends, because its issuer's login does."""
        deadline = self.doomed_at
        if deadline is not None and not self._closed:
            self._events.doomed(deadline, error)

    # -- with the turn taken ---------------------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Take the turn; afterwards wake who waits, and say when the next try is due.

        Also after a failure: it has put off the next try, whoever would make it.
        """
        turn = self._turn  # a fork on this very thread leaves the child another one
        try:
            with turn:
                try:
                    yield
                finally:
                    turn.notify_all()
        finally:
            self._announce()

    def _revive(self, *, patient: bool) -> Grant:
        with self._changing():
            return self._valid(patient=patient)

    def _valid(self, *, patient: bool) -> Grant:
        """A grant that lives: at hand, issued now, or waited for."""
        while True:
            self._must_be_open()
            grant = self._held.live()
            if grant is not None:
                return grant
            self._try_again()
            self._await_change(patient=patient)

    def _must_be_open(self) -> None:
        if self._closed:
            raise LeaseClosed(
                f"lease {self.scope.name} has ended: its block was left",
                remedy="keep the work that needs it inside the with block",
            )

    def _try_again(self) -> None:
        """Issue anew, unless it is too early for another try."""
        dead, now = self._held.newest(), self.clock.monotonic()
        if dead is None:
            # Nothing has expired: it could not be had in the first place.
            self._held.issue(PATIENCE)
            return
        self._events.expired(dead)
        if now >= self._held.setbacks.retry_at:
            # Half of what patience is left, so that one that hangs is not the only one.
            left = self._give_up_at(dead) - now if self._patience else 2 * PATIENCE
            timeout = min(max(left / 2, PATIENCE / 4), PATIENCE)
            self._held.attempt(self._held.issue, timeout)

    def _await_change(self, *, patient: bool) -> None:
        """Wait for the next try, or for somebody else's, while that is worth it."""
        setbacks, dead = self._held.setbacks, self._held.newest()
        error = setbacks.last
        if error is None or dead is None:
            return
        now, end = self.clock.monotonic(), self._give_up_at(dead)
        if now >= end or refused(error):
            raise self._expired(error) from error
        wait = min(setbacks.retry_at, end) - now
        if not patient:
            raise self._expired(error, again_in=max(wait, SOON)) from error
        if wait > 0:
            self.clock.wait(self._turn, wait)

    def _give_up_at(self, dead: Grant) -> float:
        return dead.terms.dies_at + self._patience

    def _lengthen(self, grant: Grant, seconds: float) -> Grant:
        """Renew or replace a valid grant that ends too early; see `ensure`."""
        held = self._held
        if held.left(grant) >= seconds:
            return grant
        if seconds > held.longest:
            raise self._too_short(held.longest, seconds)
        cause: Exception | None = held.setbacks.last
        if self.clock.monotonic() >= held.setbacks.retry_at:
            try:
                self._lengthen_login(grant, seconds)
                grant = self._longer(seconds)
            except FAILURES as error:
                held.failed(error)
                cause = error
        if held.left(grant) < seconds:
            raise self._too_short(held.left(grant), seconds) from cause
        return grant

    def _lengthen_login(self, grant: Grant, seconds: float) -> None:
        login = self.issuer.login
        if grant.terms.parent is None or login is None:
            return
        try:
            login.ensure(seconds)
        except LeaseTooShort as error:
            raise self._too_short(error.possible, seconds) from error
        except LeaseExpired:
            return  # what is tried next logs in anew, or says why it cannot

    def _longer(self, seconds: float) -> Grant:
        held = self._held
        held.extend(PATIENCE)
        grant = self._valid(patient=False)
        if held.left(grant) < seconds and grant.terms.renewable:
            held.issue(PATIENCE)  # renewing was not enough, new credentials may be
            grant = self._valid(patient=False)
        return grant

    # -- ending ----------------------------------------------------------------------

    def close(self, timeout: float = PATIENCE) -> list[tuple[Ending, Outcome]]:
        """End every generation that still lives, at the issuer; keep the secrets.

        The secrets stay until `shred`, so that what is left of them elsewhere in the
        process can be counted in between. Idempotent.

        Args:
            timeout: seconds for all of it; at least one short try is made for each.
        """
        held = self._held
        with self._turn:
            if self._closed:
                return []
            self._closed = True
            self._last, held.grant = held.grant, None
            if self._last is not None:
                held.retired.add(self._last)
            self._turn.notify_all()
        ended = held.retired.end(timeout)
        for ending, outcome in ended:
            self._events.ended(ending, outcome)
        return ended

    def secrets(self) -> list[Credentials]:
        """The credentials not yet wiped, after `close`: the needles of a scan."""
        return self._held.retired.secrets()

    def shred(self) -> int:
        """Wipe every generation that is still in memory; how many there were."""
        held = self.secrets()
        for credentials in held:
            credentials.close()
        self._last = None
        return len(held)

    def tell_shredded(self, figures: Mapping[str, Any]) -> None:
        """Put the end in memory into the journal: names and numbers."""
        self._events.shredded(figures)

    def forget(self) -> None:
        """In a forked child: let go of everything; the memory is already zeros."""
        self._turn = threading.Condition(threading.Lock())
        self._held.clear()
        self._last = None
        self._closed = True
        self.forgotten = True

    # -- telling ---------------------------------------------------------------------

    def _replaced(self) -> None:
        if self.on_replaced is not None:
            self.on_replaced(self)

    def _doomed(self, error: Failure) -> None:
        if self.on_doomed is not None:
            self.on_doomed(self, error)

    def _announce(self) -> None:
        # What was never had is for its next reader to get; what has ended, for nobody.
        if self.on_due is not None and self._held.grant is not None:
            self.on_due(self, self._held.due())

    def _expired(self, error: Failure, again_in: float | None = None) -> LeaseExpired:
        gives = "gives nothing new"
        if self._patience and not refused(error) and again_in is None:
            gives = f"has given nothing new for {self._patience:g} s"
        return LeaseExpired(
            f"lease {self.scope.name} has expired and issuer {self.scope.issuer} "
            f"{gives}: {error}",
            again_in=again_in,
            remedy=error.remedy,
        )

    def _too_short(self, possible: float, asked: float) -> LeaseTooShort:
        possible = max(possible, 0.0)
        return LeaseTooShort(
            f"lease {self.scope.name} can be valid for {possible:.0f} s, "
            f"not for {asked:.0f} s",
            asked=asked,
            possible=possible,
            remedy=f"start nothing that takes longer than {possible:.0f} s: split the "
            "transfer, or have the scope's owner raise its ttl and max_ttl",
        )
