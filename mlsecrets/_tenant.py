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
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import _current
from ._broker._place import Place
from ._broker._socket import ENVIRONMENT
from ._broker.join import Membership
from ._forks import after_fork, notice
from ._listeners import Listener, Listeners
from ._live import LiveGrant
from ._rendezvous import meet
from ._session import Options, Session
from ._shredding import shred
from ._signals import SigtermExit
from ._tenant_grant import TenantGrant
from .clock import pause
from .errors import MLSecretsError, OwnerGone
from .events import Event, Journal
from .grant import Fate, Outcome
from .memory import Posture
from .report import EndedGrant, ExitReport
from .view import ScopeView

log = logging.getLogger("mlsecrets")

#: Seconds between tries to find another owner, at most.
LONGEST_PAUSE = 10.0
#: Seconds that a new lease waits for another owner, if the one there was has gone.
SUCCESSION = 15.0
#: Seconds that requests under way get to be answered, before an owner that leaves ends
#: the credentials that have signed them.
LANDING = 2.0


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
        self._begun = False
        #: The connection whose successor is being looked for.
        self._moving: Membership | None = None
        self._stop_telling: Callable[[], None] | None = None
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

    def views(self) -> tuple[ScopeView, ...]:
        """The public faces of the leases that are held."""
        views = (grant.view for grant in list(self._grants.values()))
        return tuple(view for view in views if view is not None)

    def begin(self, membership: Membership) -> None:
        """Hold leases at the owner that this is a membership of, from now on."""
        with self._changed:
            if not self._begun:  # else a block that is being left has not undone it yet
                try:
                    self._set_up(_current.options())
                except BaseException:
                    membership.close()
                    raise
            self._membership, self._place = membership, membership.place
            self._path = str(membership.place.socket)
            self._session = None
            if self._exported:  # for the processes that this one starts
                os.environ[ENVIRONMENT] = self._path

    def _set_up(self, options: Options) -> None:
        self._journal = Journal(_current.journal_path())
        self._begun = True
        self._exported = ENVIRONMENT not in os.environ
        if options.on_event is not None:
            self._stop_telling = self.listeners.add(Listener(options.on_event))
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

    def join(self, grant: TenantGrant) -> Membership | None:
        """Have the owner hold a scope; it raises what opening a lease raises.

        Returns:
            the owner's membership; None if this process has become the owner.
        """
        while True:
            with self._changed:
                membership, session = self._membership, self._session
                if grant.joined:
                    return membership
            if session is not None:
                self._own_one(session, grant)
                return None
            assert membership is not None  # noqa: S101  while any grant is held
            try:
                membership.join(grant.name)
            except OwnerGone:
                if not self.await_other(membership):
                    raise
                continue
            with self._changed:
                if self._membership is membership:
                    grant.joined = True

    def would_end(self, *names: str) -> list[str]:
        """Those of these leases that nobody else holds here."""
        with self._changed:
            held = [self._grants[name] for name in names if name in self._grants]
            return [grant.name for grant in held if grant.users == 1]

    def release(self, *names: str, exiting: bool = False) -> dict[str, ExitReport]:
        """Let go of leases; those that nobody here holds are left, and reported on."""
        ending = []
        with self._changed:
            for name in names:
                grant = self._grants.get(name)
                if grant is None:
                    continue  # `close` has ended it under a thread that lives on
                grant.users -= 1
                if grant.users == 0:
                    ending.append(self._grants.pop(name))
            membership, session = self._membership, self._session
            last = not self._grants
            # Not one that could not be had, which nobody holds for this process.
            joined = [grant.name for grant in ending if grant.joined]
        names = tuple(grant.name for grant in ending)
        for grant in ending:
            grant.close()
        if session is not None:
            reports = session.release(*joined, exiting=exiting)
        else:
            told = _leave(membership, joined)
            reports = _reports(ending, told, exiting=exiting)
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
        # The owner has written it down, also if that is this process by now.
        self.listeners.tell(event)

    def record(self, event: Event) -> None:
        """Write down what happened here."""
        self._journal.record(event)

    def note(self, name: str, scope: str, detail: Mapping[str, Any]) -> None:
        """Tell of something that happened to a lease here."""
        event = Event(name, scope, _current.clock().wall(), os.getpid(), detail)
        session = self._session
        # The session's journal and callbacks are this process's, once it owns leases.
        listeners = self.listeners if session is None else session.listeners
        listeners.record(event)

    # -- when the owner goes ---------------------------------------------------------

    def lost(self, membership: Membership) -> None:
        """Find another owner, or become it: for as long as leases are held here.

        Called on the thread of the connection that was lost, which stays open until
        this returns: an owner that leaves in good order waits for that.
        """
        with self._changed:
            if self._moving is membership:
                return
            self._moving = membership
        attempt = 0
        try:
            while self._is_held_at(membership):
                try:
                    self._move(membership)
                    self._land()
                except (MLSecretsError, OSError) as error:
                    attempt += 1
                    log.warning("no owner for the leases yet: %s", error)
                    seconds = min(2.0 ** min(attempt, 8), LONGEST_PAUSE)
                    pause(_current.clock(), seconds)
        finally:
            with self._changed:
                if self._moving is membership:
                    self._moving = None

    def _land(self) -> None:
        with self._changed:
            grants = [grant for grant in self._grants.values() if grant.joined]
        clock = _current.clock()
        until = clock.monotonic() + LANDING
        for grant in grants:
            grant.land(max(until - clock.monotonic(), 0.0))

    def await_other(self, lost: Membership) -> bool:
        """Wait until another owner is found; False if that takes too long."""
        with self._changed:
            if lost.gone and self._moving is None and self._membership is lost:
                # It went before anything was held there, when nobody needed another.
                threading.Thread(
                    target=self.lost, args=(lost,), name="mlsecrets-member", daemon=True
                ).start()
            return self._changed.wait_for(
                lambda: self._membership is not lost, SUCCESSION
            )

    def _is_held_at(self, membership: Membership) -> bool:
        with self._changed:
            return bool(self._grants) and self._membership is membership

    def _move(self, lost: Membership) -> None:
        met = meet(lost.place, self.hear, self.lost, again=True)
        if isinstance(met, Membership):
            self._follow(lost, met)
        else:
            self._own(lost, met)

    def _follow(self, lost: Membership, found: Membership) -> None:
        """Hold at another owner what was held at the one that is lost."""
        held: dict[str, LiveGrant | None] = {}
        try:
            while missing := self._settle(lost, found, held):
                for name in missing:
                    found.join(name)
                    held[name] = None
        except BaseException:
            found.close()
            raise
        with self._changed:
            settled = self._membership is found
            unwanted = [name for name in held if name not in self._grants]
        if not settled:
            found.close()
        elif unwanted:
            _leave(found, unwanted)

    def _own(self, lost: Membership, place: Place) -> None:
        """Become the owner: what was held elsewhere is leased here from now on."""
        lives: dict[str, LiveGrant | None] = {}
        session = None
        try:
            session = _current.session()
            while missing := self._settle(lost, session, lives):
                opening = []
                for name in missing:
                    # Served once all are there: workers ask what there is.
                    at = place if name == missing[-1] else None
                    lives[name] = live = session.reserve(name, at, succeeding=True)
                    opening.append(live)
                    session.listeners.add(Listener(self.hear, scope=name))
                for live in opening:
                    live.open()
        except BaseException:
            if session is not None:
                session.release(*lives)
            place.give_up()
            raise
        with self._changed:
            settled = self._session is session
            unwanted = [n for n in lives if not (settled and n in self._grants)]
        if not settled:
            place.give_up()
        for name in lives:
            self.note("owned", name, {})
        session.release(*unwanted)

    def _settle(
        self,
        lost: Membership,
        found: Membership | Session,
        held: Mapping[str, LiveGrant | None],
    ) -> list[str]:
        """Follow to another owner, once all is held there that is held here.

        Returns:
            What is not held there yet; empty too if nothing is held here any more.
        """
        with self._changed:
            if not self._is_held_at(lost):
                return []
            joined = [grant.name for grant in self._grants.values() if grant.joined]
            if missing := [name for name in joined if name not in held]:
                return missing
            if isinstance(found, Session):
                self._membership, self._session = None, found
                if self._stop_telling is not None:
                    self._stop_telling()  # the session calls it from now on
            elif found.gone:
                raise OwnerGone("another owner was found, and has gone as well")
            else:
                self._membership = found
            for name, live in held.items():
                if name in self._grants:
                    self._grants[name].follow(live)
            self._changed.notify_all()
            return []

    # -- inside ----------------------------------------------------------------------

    def _own_one(self, session: Session, grant: TenantGrant) -> None:
        """Lease here what was to be held at an owner whose place this process took."""
        live = session.reserve(grant.name, self.place)
        session.listeners.add(Listener(self.hear, scope=grant.name))
        try:
            live.open()
        except BaseException:
            session.release(grant.name)
            raise
        with self._changed:
            grant.follow(live)

    def _end(self, membership: Membership | None) -> None:
        """Undo `begin`, unless somebody has begun anew."""
        if membership is not None:
            membership.close()
        with self._changed:
            if self._grants or self._membership is not membership:
                return
            session, self._membership, self._session = self._session, None, None
            self._begun = False
            serving = session is not None and session.place is not None
            if session is not None and not serving:
                self.place.give_up()  # taken, and nothing was leased after all
            exported = self._exported and os.environ.get(ENVIRONMENT) == self._path
            if exported and not serving:
                del os.environ[ENVIRONMENT]
            self._sigterm.remove()
            # Not before the sweep: what it finds was not to be read by others.
            self._posture.restore()
            # Whoever begins next has his own.
            listeners, self.listeners = self.listeners, Listeners(self)
            journal, self._journal = self._journal, Journal()
            self._stop_telling = None
            _current.set_leasing(leasing=False)
        listeners.close()
        journal.close()


def _leave(
    membership: Membership | None, names: Sequence[str]
) -> Mapping[str, Any] | None:
    """Have the owner end them, as far as nobody else holds them; what became of them.

    None if it has gone.
    """
    if membership is None or not names:
        return {}
    try:
        return membership.leave(names)
    except OwnerGone:
        return None


def _reports(
    ending: Iterable[TenantGrant], told: Mapping[str, Any] | None, *, exiting: bool
) -> dict[str, ExitReport]:
    """What the owner told of their end, and what was found of them here."""
    clock, held = _current.clock(), list(ending)
    now = clock.monotonic()
    shredded = shred(held, _current.options().sweeping, clock, exiting=exiting)
    reports = {}
    for grant in held:
        if told is None:
            ended = _left_alone(grant, now)
        else:
            ends = told.get(grant.name, ())
            ended = tuple(EndedGrant.from_dict(end, now) for end in ends)
        reports[grant.name] = ExitReport(grant.name, ended, shredded[grant.name])
    return reports


def _left_alone(grant: TenantGrant, now: float) -> tuple[EndedGrant, ...]:
    """What is known of the end of a lease whose owner has gone before it."""
    if grant.terms is None:
        return ()
    outcome = Outcome(Fate.ENDS_AT_TTL, "the process that held it has gone")
    return (EndedGrant.at(grant.terms, outcome, now),)


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
