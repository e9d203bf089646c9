"""One per process: holds its leases, and owns what renews and serves them.

Everything below it comes up with the first lease and goes down with the last: issuers
and their logins, the renewals, the broker. A process without a lease holds nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ._broker._job import job_roots
from ._broker._peers import Peers
from ._broker._place import Place
from ._broker._socket import ENVIRONMENT
from ._broker.serve import Broker
from ._lease_events import end_at
from ._listeners import Callback, Listener, Listeners
from ._live import PATIENCE, LiveGrant
from ._shredding import Sweeping, shred
from ._signals import SigtermExit, undisturbed
from ._stack import Stack
from .clock import Clock
from .errors import LeaseClosed, NotLeased, OwnerGone
from .events import Event, Journal
from .grant import Ending, Outcome
from .manifest import Manifest
from .report import EndedGrant, ExitReport, ShredReport
from .view import ScopeView

log = logging.getLogger("mlsecrets")

#: What names this process's rank among its neighbours, for the renewal jitter: set by
#: torchrun and SLURM.
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
#: Seconds in which everything is ended at the issuers, however many do not answer.
FAREWELL = 10.0


@dataclass
class _Open:
    live: LiveGrant
    users: int = 1
    #: Those of them that are other processes.
    members: int = 0


@dataclass(frozen=True)
class Options:
    """How a session leases; what each means for users is said by `configure`.

    Attributes:
        sweeping: what memory is swept for when leases end.
        harden: keep debuggers and core dumps away while a lease is open.
        exit_on_sigterm: turn SIGTERM into SystemExit while a lease is open.
        patience: seconds past the end of a lease for which its readers wait for an
            issuer that is away.
        on_event: called with every event, on a thread of its own.
        peers: which processes may connect, once they are of the same user.
    """

    sweeping: Sweeping = "revealed"
    harden: bool = False
    exit_on_sigterm: bool = False
    patience: float = PATIENCE
    on_event: Callback | None = None
    peers: Peers = "user"


class Session:
    """Holds this process's leases.

    Args:
        manifest: what may be leased.
        clock: reads time.
        journal: is told what happens.
        options: how.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        clock: Clock,
        journal: Journal,
        options: Options = Options(),
    ) -> None:
        self.manifest = manifest
        self.clock = clock
        self.journal = journal
        self.listeners = Listeners(journal)
        if options.on_event is not None:
            self.listeners.add(Listener(options.on_event))
        self._options = options
        self._sigterm = SigtermExit() if options.exit_on_sigterm else None
        self._lock = threading.RLock()
        self._open: dict[str, _Open] = {}
        #: How many threads are ending leases that are open no more.
        self._ending = 0
        self._all_ended = threading.Condition(self._lock)
        #: What was open here before, for who still asks for it.
        self._ended: set[str] = set()
        self._stack: Stack | None = None
        self._broker: Broker | None = None
        self._standing_by = False
        self._views: tuple[ScopeView, ...] | None = ()
        self._key = _process_key()

    # -- leases ----------------------------------------------------------------------

    def reserve(
        self, name: str, place: Place | None, *, succeeding: bool = False
    ) -> LiveGrant:
        """Count in one more who needs a scope, without asking the issuer for it.

        Whoever did it opens the grant, and calls `release` if that fails.

        Args:
            name: of the scope.
            place: where to serve it to others, if nothing is served yet; this process
                holds its lock. None to keep it to itself.
            succeeding: see `Broker`.

        Raises:
            UnknownScope: the manifest has none of that name.
            OwnerGone: nothing can be served there.
        """
        scope = self.manifest.scope(name)
        with self._lock:
            opened = self._open.get(name)
            if opened is not None:
                opened.users += 1
                return opened.live
            live = self._bring_up().lease(scope, self._options.patience)
            self._open[name] = _Open(live)
            self._views = None
            try:
                if place is not None:
                    self._serve(place, succeeding=succeeding)
            except BaseException:
                self.release(name)
                raise
            return live

    def stand_by(
        self, place: Place, roots: tuple[int, ...], *, succeeding: bool
    ) -> Broker:
        """Serve at a place although nothing is leased yet, until `close`: a keeper."""
        self._standing_by = True
        return self._serve(place, roots, succeeding=succeeding)

    def release(self, *names: str, exiting: bool = False) -> dict[str, ExitReport]:
        """Let go of leases; those that nobody else holds are ended, and reported on.

        All of them are ended at their issuers before any memory is searched: a search
        takes a second, in which the others would live on.
        """
        with undisturbed():
            ending, stack, broker = self._let_go(names)
            try:
                return self._end(ending, stack, broker, exiting=exiting)
            finally:
                with self._lock:
                    self._ending -= 1
                    self._all_ended.notify_all()

    def _end(
        self,
        ending: list[LiveGrant],
        stack: Stack | None,
        broker: Broker | None,
        *,
        exiting: bool,
    ) -> dict[str, ExitReport]:
        until = self.clock.monotonic() + FAREWELL
        ended = [(live, live.close(until - self.clock.monotonic())) for live in ending]
        logins = []
        if broker is not None:
            broker.close()
        if stack is not None:
            logins = self._take_down(stack, until)
        lives = [live for live, _ in ended]
        sweeping = self._options.sweeping
        shredded = shred(lives, sweeping, self.clock, exiting=exiting)
        if stack is not None:
            # Not before: what the sweep finds was not to be read by others.
            stack.posture.restore()
        reports = {}
        for live, outcomes in ended:
            report = self._report(live, outcomes, shredded[live.name])
            for accessor, outcome in logins:
                report = report.with_login(accessor, outcome)
            reports[live.name] = report
        self.listeners.end_of(*reports)
        return reports

    def _let_go(
        self, names: Sequence[str]
    ) -> tuple[list[LiveGrant], Stack | None, Broker | None]:
        """What is to be ended when these are no longer needed, taken out of here."""
        ending, stack, broker = [], None, None
        with self._lock:
            self._ending += 1
            for name in names:
                opened = self._open.get(name)
                if opened is None:
                    continue  # `close` has ended it under a member
                opened.users -= 1
                if opened.users == 0:
                    ending.append(self._open.pop(name).live)
                    self._ended.add(name)
            self._views = None
            if self._stack is not None:
                for live in ending:
                    self._stack.renewer.cancel(live)
            if not self._open:
                stack, self._stack = self._stack, None
                if not self._standing_by:
                    broker, self._broker = self._broker, None
            if broker is not None:
                # Under the lock: whoever leases next looks for a place of its own.
                self._resign(broker)
        return ending, stack, broker

    def held(self, scope: str) -> LiveGrant:
        """The live lease of a scope that is open here.

        Raises:
            LeaseClosed: it was open, and has ended.
            NotLeased: there has been none.
        """
        opened = self._open.get(scope)
        if opened is not None:
            return opened.live
        if scope in self._ended:
            raise LeaseClosed(
                f"lease {scope} has ended in the process that owned it",
                remedy="keep the work that needs it inside the with block",
            )
        known = ", ".join(sorted(self._open)) or "none"
        raise NotLeased(
            f"no lease of {scope} is open in the owning process; open: {known}",
            remedy=f'add it: with lease("{scope}", …)',
        )

    def holds(self, scope: str) -> bool:
        """Whether a lease of this scope is open here."""
        return scope in self._open

    def would_end(self, *names: str) -> list[str]:
        """Those of these leases that nobody else holds."""
        with self._lock:
            return [name for name in names if self._open[name].users == 1]

    @property
    def busy(self) -> bool:
        """Whether any lease is open here."""
        return bool(self._open)

    def views(self) -> tuple[ScopeView, ...]:
        """The public faces of all leases that are open here."""
        views = self._views
        if views is None:
            with self._lock:
                views = tuple(_view(held.live) for held in self._open.values())
                self._views = views
        return views

    @property
    def place(self) -> Place | None:
        """Where others read this session's leases; None while there are none."""
        broker = self._broker
        return broker.place if broker is not None else None

    # -- for members (the broker's Holder) ---------------------------------------------

    def shared(self, scope: str) -> bool | None:
        """Whether workers may read a scope that is open here."""
        return self.held(scope).scope.shared

    def admit(self, scope: str, tell: Callable[[Event], None]) -> Callable[[], None]:
        """Hold a scope for a member, and tell it what happens; a function to stop."""
        with self._lock:  # who is quick asks while the broker is still being made
            broker = self._broker
        if broker is None:
            raise OwnerGone("the process that owned the leases has ended them")
        listener = Listener(tell, scope=scope)
        with self._lock:
            live = self.reserve(scope, broker.place)
            self._open[scope].members += 1
        stop = self.listeners.add(listener)
        try:
            live.open()
        except BaseException:
            stop()
            self.dismiss(scope)
            raise
        if (deadline := live.doomed_at) is not None:
            # The others were told before this one was there.
            wall, detail = self.clock.wall(), end_at(deadline, self.clock)
            listener.put(Event("doomed", scope, wall, os.getpid(), detail))
        return stop

    def dismiss(self, *scopes: str) -> dict[str, ExitReport]:
        """Hold scopes for a member no longer; a report on each that ended."""
        with self._lock:
            for scope in scopes:
                if (opened := self._open.get(scope)) is not None:
                    opened.members -= 1
        return self.release(*scopes)

    def hand_over(self) -> dict[str, ExitReport]:
        """End what only members hold, as at the process's end; else nothing."""
        with self._lock:
            users = sum(opened.users - opened.members for opened in self._open.values())
            if users or self._standing_by:
                return {}
        return self.close(exiting=False)

    def close(self, *, exiting: bool = True) -> dict[str, ExitReport]:
        """At the process's end: end every lease, however many hold it.

        Members get a moment to find another owner first.

        Args:
            exiting: the kernel is about to have all memory back.
        """
        broker = self._broker
        with undisturbed():
            if broker is not None:
                self._resign(broker)
                broker.hand_over()
            with self._lock:
                self._standing_by = False
                for opened in self._open.values():
                    opened.users = 1
                names = list(self._open)
            reports = self.release(*names, exiting=exiting)
            with self._lock:
                # The last member to leave may have begun to end some just before.
                self._all_ended.wait_for(lambda: not self._ending, FAREWELL)
        return reports

    def forget(self) -> None:
        """In a forked child: nothing of this is ours any more."""
        for opened in self._open.values():
            opened.live.forget()
        if self._stack is not None:
            self._stack.forget()
        if self._broker is not None:
            self._broker.forget()
        self._lock = threading.RLock()
        self._all_ended = threading.Condition(self._lock)
        self._ending = 0
        self._open = {}
        self._stack = None
        self._broker = None

    # -- inside ----------------------------------------------------------------------

    def _bring_up(self) -> Stack:
        if self._stack is None:
            self._stack = Stack(
                self.manifest,
                clock=self.clock,
                recorder=self.listeners,
                key=self._key,
                leases=self._lives,
            )
            if self._sigterm is not None:
                self._sigterm.install()
            if self._options.harden:
                for refused in self._stack.posture.harden():
                    log.warning("not hardened: %s", refused)
        return self._stack

    def _lives(self) -> list[LiveGrant]:
        # Without the lock: a login's renewal asks, which a lease that is being opened
        # under the lock may be waiting for. One operation, so it cannot be torn.
        return [opened.live for opened in list(self._open.values())]

    def _serve(
        self, place: Place, roots: tuple[int, ...] = (), *, succeeding: bool = False
    ) -> Broker:
        with self._lock:
            if self._broker is None:
                self._broker = Broker(
                    self,
                    self.clock,
                    self.listeners,
                    place,
                    peers=self._options.peers,
                    roots=roots or job_roots(os.environ),
                    succeeding=succeeding,
                )
                os.environ[ENVIRONMENT] = str(place.socket)
            return self._broker

    def _resign(self, broker: Broker) -> None:
        if os.environ.get(ENVIRONMENT) == str(broker.place.socket):
            del os.environ[ENVIRONMENT]
        broker.resign()

    def _report(
        self,
        live: LiveGrant,
        outcomes: list[tuple[Ending, Outcome]],
        shredded: ShredReport,
    ) -> ExitReport:
        now = self.clock.monotonic()
        ended = (
            EndedGrant.at(ending.terms, outcome, now) for ending, outcome in outcomes
        )
        return ExitReport(live.scope.name, tuple(ended), shredded)

    def _take_down(self, stack: Stack, until: float) -> list[tuple[str, Outcome]]:
        """Undo `_bring_up`; what became of each login, by its accessor."""
        outcomes = stack.take_down(until)
        if self._sigterm is not None:
            self._sigterm.remove()
        return outcomes


def _view(live: LiveGrant) -> ScopeView:
    scope = live.scope
    return ScopeView(
        scope.name,
        tuple(scope.access),
        live.issuer.connection(scope),
        version=scope.version,
        owner=scope.owner,
        issuer=scope.issuer,
        shared=scope.shared is True,
    )


def _process_key() -> str:
    rank = next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), "")
    return f"{socket.gethostname()}:{rank}"
