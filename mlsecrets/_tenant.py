"""Leases that this process holds at another: a keeper, or the rank that owns them.

To its users such a lease is like one of its own. If the owner dies or leaves, another
is found, or this process becomes it, and readers notice nothing while the credentials
that they have are valid.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from . import _current
from ._broker._place import Place
from ._broker._socket import ENVIRONMENT
from ._broker.attach import AttachedGrant, attachment
from ._broker.join import Membership
from ._forks import after_fork, notice
from ._listeners import Listener, Listeners
from ._live import LiveGrant
from ._rendezvous import meet
from ._session import Session
from ._shredding import shred
from ._signals import SigtermExit
from .clock import pause
from .credentials import Credentials
from .errors import LeaseClosed, MLSecretsError, OwnerGone
from .events import Event, Journal
from .exposure import Exposures
from .grant import Grant
from .issuer import Source
from .memory import Posture
from .report import EndedGrant, ExitReport

log = logging.getLogger("mlsecrets")

#: Events after which a lease goes on, if it was doomed before.
_GOES_ON = frozenset({"issued", "renewed", "replaced"})
#: Seconds between tries to find another owner, at most.
LONGEST_PAUSE = 10.0
#: Seconds that a new lease waits for another owner, if the one there was has gone.
SUCCESSION = 15.0


class TenantGrant:
    """One lease that is held at another process, as its readers see it here.

    Args:
        name: of the scope.
        tenant: whose it is.
    """

    def __init__(self, name: str, tenant: Tenant) -> None:
        self.name = name
        self.users = 1
        self.exposures = Exposures()
        self.doomed_at: float | None = None
        #: What clients need besides; see `ScopeView`. Known once it is open.
        self.connection: Mapping[str, str] = {}
        #: Whether this process's own session holds it by now.
        self.owned = False
        #: Whether this is a forked child's copy: the parent's process holds the lease.
        self.forgotten = False
        self.closed = False
        self._secrets: list[Credentials] = []
        self._tenant = tenant
        self._attached: AttachedGrant = attachment(tenant.place.socket).source(name)
        self._attached.expose_to(self.exposures)
        self._source: Source = self._attached

    # -- a Source ----------------------------------------------------------------------

    def snapshot(self) -> Grant:
        """The whole grant of one generation; see `LiveGrant.snapshot`."""
        if self.closed:
            raise LeaseClosed(
                f"lease {self.name} has ended: its block was left",
                remedy="keep the work that needs it inside the with block",
            )
        return self._source.snapshot()

    def peek(self) -> Grant | None:
        """The grant if it is at hand, None if `snapshot` would have to ask."""
        return None if self.closed else self._source.peek()

    def ensure(self, seconds: float) -> Grant:
        """The grant with so many seconds left; see `LiveGrant.ensure`."""
        self.snapshot()
        return self._source.ensure(seconds)

    def invalidate(self, generation: int) -> None:
        """Have credentials replaced that a server refused."""
        self._source.invalidate(generation)

    # -- its life ----------------------------------------------------------------------

    def open(self) -> None:
        """Have the owner hold it; the caller waits for its first credentials."""
        self._tenant.join(self)

    def follow(self, live: LiveGrant | None) -> None:
        """Read from a new owner: this process, or whoever answers now (None)."""
        if live is None:
            self._attached.ask_now()
        else:
            live.adopt(self.exposures)
            self.owned = True
            self._source = live
            self._attached.drop()

    def hear(self, event: Event, now: float) -> None:
        """Take note of what the owner tells."""
        if event.name == "doomed":
            self.doomed_at = now + float(event.detail.get("seconds_left", 0.0))
        elif event.name in _GOES_ON:
            self.doomed_at = None

    # -- its end in memory (_shredding.Ended) ----------------------------------------

    def secrets(self) -> list[Credentials]:
        """The credentials that are not yet wiped."""
        return [held for held in self._secrets if not held.closed]

    def close(self) -> None:
        """Give it to nobody any more."""
        self.closed = True
        self._secrets = self._attached.drop()

    def shred(self) -> int:
        """Wipe what is left of it here; how many generations that was."""
        held = self.secrets()
        for credentials in held:
            credentials.close()
        self._attached.expose_to(Exposures(keep=False))
        return len(held)

    def tell_shredded(self, figures: Mapping[str, Any]) -> None:
        """Put that into the journal."""
        self._tenant.note("shredded", self.name, figures)


class Tenant:
    """This process, where it holds leases at another."""

    def __init__(self) -> None:
        self.listeners = Listeners(self)
        # Notified when another owner is found.
        self._changed = threading.Condition(threading.RLock())
        self._membership: Membership | None = None
        self._place: Place | None = None
        self._path = ""
        self._grants: dict[str, TenantGrant] = {}
        #: This process's own session, once it has become the owner.
        self._session: Session | None = None
        self._exported = False
        self._journal = Journal()
        self._posture = Posture()
        self._sigterm = SigtermExit()

    # -- leases ----------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where the leases are owned; only while any is held."""
        assert self._place is not None  # noqa: S101  set by `begin`
        return self._place

    @property
    def busy(self) -> bool:
        """Whether any lease is held."""
        return bool(self._grants)

    def held(self, scope: str) -> TenantGrant | None:
        """The lease of a scope, if it is held."""
        return self._grants.get(scope)

    def begin(self, membership: Membership) -> None:
        """Hold leases at the owner that this is a membership of, from now on."""
        options = _current.options()
        with self._changed:
            self._membership, self._place = membership, membership.place
            self._path = str(membership.place.socket)
            self._session = None
            self._journal = Journal(_current.journal_path())
            self._exported = ENVIRONMENT not in os.environ
            if self._exported:
                os.environ[ENVIRONMENT] = (
                    self._path
                )  # for the processes that this one starts
            if options.on_event is not None:
                self.listeners.add(Listener(options.on_event))
            if options.exit_on_sigterm:
                self._sigterm.install()
            if options.harden:
                for refused in self._posture.harden():
                    log.warning("not hardened: %s", refused)
        _current.set_leasing(leasing=True)

    def reserve(self, scope: str) -> TenantGrant:
        """Count in one more who needs a scope; he opens it, or calls `release`."""
        with self._changed:
            grant = self._grants.get(scope)
            if grant is not None:
                grant.users += 1
            else:
                grant = self._grants[scope] = TenantGrant(scope, self)
            return grant

    def join(self, grant: TenantGrant) -> None:
        """Have the owner hold a scope; it raises what opening a lease raises."""
        while True:
            with self._changed:
                membership, session = self._membership, self._session
            if session is not None:
                # This process has become the owner meanwhile.
                self._own_one(session, grant)
                return
            assert membership is not None  # noqa: S101  while any grant is held
            try:
                membership.join(grant.name)
            except OwnerGone:
                if not self._await_other(membership):
                    raise
            else:
                grant.snapshot()
                return

    def _own_one(self, session: Session, grant: TenantGrant) -> None:
        with self._changed:
            if grant.owned:
                return
            live = session.reserve(grant.name, self.place)
            grant.follow(live)
        live.open()

    def would_end(self, *names: str) -> list[str]:
        """Those of these leases that nobody else holds here."""
        with self._changed:
            return [name for name in names if self._grants[name].users == 1]

    def release(self, *names: str, exiting: bool = False) -> dict[str, ExitReport]:
        """Let go of leases; those that nobody here holds are left, and reported on."""
        ending = []
        with self._changed:
            for name in names:
                grant = self._grants[name]
                grant.users -= 1
                if grant.users == 0:
                    ending.append(self._grants.pop(name))
            membership, session = self._membership, self._session
            last = not self._grants
        names = tuple(grant.name for grant in ending)
        for grant in ending:
            grant.close()
        if session is not None:
            reports = session.release(*names, exiting=exiting)
        else:
            reports = self._leave(membership, ending, exiting=exiting)
        for grant in ending:
            grant.shred()
        self.listeners.end_of(*names)
        if last:
            self._end(membership)
        return reports

    def close(self) -> None:
        """At the interpreter's exit: let go of everything."""
        with self._changed:
            for grant in self._grants.values():
                grant.users = 1
            names = list(self._grants)
        if names:
            self.release(*names, exiting=True)

    def forget(self) -> None:
        """In a forked child: the leases are the parent's."""
        for grant in self._grants.values():
            grant.forgotten = grant.closed = True

    # -- events ----------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take an event of the owner's, for those here who want to know."""
        grant = self._grants.get(event.scope)
        if grant is not None:
            grant.hear(event, _current.clock().monotonic())
        self.listeners.record(event)

    def record(self, event: Event) -> None:
        """Write down what happened here; what the owner tells it has written itself."""
        if event.pid == os.getpid():
            self._journal.record(event)

    def note(self, name: str, scope: str, detail: Mapping[str, Any]) -> None:
        """Tell of something that happened to a lease here."""
        wall = _current.clock().wall()
        self.listeners.record(Event(name, scope, wall, os.getpid(), detail))

    # -- when the owner goes ---------------------------------------------------------

    def lost(self, membership: Membership) -> None:
        """Find another owner, or become it: for as long as leases are held here.

        Called on the thread of the connection that was lost, which stays open until
        this returns: an owner that leaves in good order waits for that.
        """
        attempt = 0
        while self._is_held_at(membership):
            try:
                self._move(membership)
            except MLSecretsError as error:
                attempt += 1
                log.warning("no owner for the leases yet: %s", error)
                pause(_current.clock(), min(2.0 ** min(attempt, 8), LONGEST_PAUSE))

    def _is_held_at(self, membership: Membership) -> bool:
        with self._changed:
            return bool(self._grants) and self._membership is membership

    def _move(self, lost: Membership) -> None:
        met = meet(lost.place, self.hear, self.lost)
        with self._changed:
            names = list(self._grants)
        if isinstance(met, Membership):
            try:
                for name in names:
                    met.join(name)
            except BaseException:
                met.close()
                raise
            self._settle(lost, met)
        else:
            self._own(lost, met, names)

    def _settle(self, lost: Membership, found: Membership) -> None:
        """Hold the leases at the new owner, as far as they are still held."""
        with self._changed:
            wanted = bool(self._grants) and self._membership is lost
            if wanted:
                self._membership = found
                for grant in self._grants.values():
                    grant.follow(None)
            self._changed.notify_all()
        if not wanted:
            found.close()

    def _own(self, lost: Membership, place: Place, names: Sequence[str]) -> None:
        """Become the owner: what was held elsewhere is leased here from now on."""
        session, lives = _lease_all(place, names)
        for name in names:
            session.listeners.add(Listener(self.hear, scope=name))
        with self._changed:
            if self._membership is lost:
                self._session, self._membership = session, None
                unwanted = [name for name in names if name not in self._grants]
                for name, grant in self._grants.items():
                    if name in lives:
                        grant.follow(lives[name])
            else:
                unwanted = list(names)
            self._changed.notify_all()
        for name in lives:
            self.note("owned", name, {})
        if unwanted:
            session.release(*unwanted)

    def _await_other(self, lost: Membership) -> bool:
        """Wait until another owner is found; False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._membership is not lost, SUCCESSION
            )

    # -- inside ----------------------------------------------------------------------

    def _leave(
        self,
        membership: Membership | None,
        ending: Sequence[TenantGrant],
        *,
        exiting: bool,
    ) -> dict[str, ExitReport]:
        """Have the owner end them, as far as nobody else holds them, and sweep here."""
        clock, names = _current.clock(), [grant.name for grant in ending]
        told: Mapping[str, Any] = {}
        if membership is not None and names:
            # If it has gone, what it held has ended with it, or ends at its TTL.
            with suppress(OwnerGone):
                told = membership.leave(names)
        now = clock.monotonic()
        sweeping = _current.options().sweeping
        shredded = shred(ending, sweeping, clock, exiting=exiting)
        return {
            name: ExitReport(
                name,
                tuple(EndedGrant.from_dict(end, now) for end in told.get(name, ())),
                shredded[name],
            )
            for name in names
        }

    def _end(self, membership: Membership | None) -> None:
        """Undo `begin`, unless somebody has begun anew."""
        if membership is not None:
            membership.close()
        with self._changed:
            if self._grants or self._membership is not membership:
                return
            self._membership = self._session = None
            if self._exported and os.environ.get(ENVIRONMENT) == self._path:
                del os.environ[ENVIRONMENT]
            self._sigterm.remove()
            # Not before the sweep: what it finds was not to be read by others.
            self._posture.restore()
            self.listeners.close()
            self._journal.close()
            _current.set_leasing(leasing=False)


def _lease_all(
    place: Place, names: Sequence[str]
) -> tuple[Session, dict[str, LiveGrant]]:
    """Own leases at a place whose lock is held; it is given up if that fails."""
    lives: dict[str, LiveGrant] = {}
    try:
        session = _current.session()
        for name in names:
            lives[name] = session.reserve(name, place)
            lives[name].open()
    except BaseException:
        if lives:
            session.release(*lives)
        place.give_up()
        raise
    return session, lives


_tenant = Tenant()


def tenant() -> Tenant:
    """This process's one."""
    notice()
    return _tenant


def _close() -> None:
    _tenant.close()


def _forget() -> None:
    # In a forked child the leases are the parent's, and the locks may be held.
    global _tenant  # noqa: PLW0603
    _tenant.forget()
    _tenant = Tenant()


atexit.register(_close)
after_fork(_forget)
