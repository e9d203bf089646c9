"""One per process: holds its leases, and owns what renews and serves them.

Everything below it comes up with the first lease and goes down with the last: issuers
and their logins, the renewals, the broker. A process without a lease holds nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from ._broker._socket import ENVIRONMENT
from ._broker.serve import Broker
from ._listeners import Callback, Listener, Listeners
from ._live import PATIENCE, LiveGrant
from ._shredding import Sweeping, shred
from ._signals import SigtermExit
from ._stack import Stack
from .clock import Clock
from .errors import NotLeased
from .events import Journal
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
    """

    sweeping: Sweeping = "revealed"
    harden: bool = False
    exit_on_sigterm: bool = False
    patience: float = PATIENCE
    on_event: Callback | None = None


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
        self._stack: Stack | None = None
        self._views: tuple[ScopeView, ...] | None = ()
        self._key = _process_key()

    # -- leases ----------------------------------------------------------------------

    def acquire(self, name: str) -> LiveGrant:
        """A live lease of a scope: made now, or shared with whoever holds it already.

        Raises:
            UnknownScope: the manifest has none of that name.
            IssuerError, IdentityError: it could not be had.
        """
        scope = self.manifest.scope(name)
        with self._lock:
            opened = self._open.get(name)
            if opened is not None:
                opened.users += 1
            else:
                live = self._bring_up().lease(scope, self._options.patience)
                opened = self._open[name] = _Open(live)
                self._views = None
        try:
            opened.live.open()
            self._serve()
        except BaseException:
            self.release(name)
            raise
        return opened.live

    def release(self, *names: str, exiting: bool = False) -> dict[str, ExitReport]:
        """Let go of leases; those that nobody else holds are ended, and reported on.

        All of them are ended at their issuers before any memory is searched: a search
        takes a second, in which the others would live on.
        """
        ending: list[LiveGrant] = []
        with self._lock:
            for name in names:
                opened = self._open[name]
                opened.users -= 1
                if opened.users == 0:
                    ending.append(self._open.pop(name).live)
            self._views = None
            stack = self._stack
            if not self._open:
                self._stack = None
        until = self.clock.monotonic() + FAREWELL
        for live in ending:
            if stack is not None:
                stack.renewer.cancel(live)
        ended = [(live, live.close(until - self.clock.monotonic())) for live in ending]
        logins = []
        if stack is not None and self._stack is not stack:
            logins = self._take_down(stack, until)
        lives = [live for live, _ in ended]
        sweeping = self._options.sweeping
        shredded = shred(lives, sweeping, self.clock, exiting=exiting)
        if stack is not None and self._stack is not stack:
            # Not before: what the sweep finds was not to be read by others.
            stack.posture.restore()
        reports = {}
        for live, outcomes in ended:
            report = self._report(live, outcomes, shredded[live.scope.name])
            for accessor, outcome in logins:
                report = report.with_login(accessor, outcome)
            reports[live.scope.name] = report
        self.listeners.end_of(*reports)
        return reports

    def held(self, scope: str) -> LiveGrant:
        """The live lease of a scope that is open here.

        Raises:
            NotLeased: there is none.
        """
        opened = self._open.get(scope)
        if opened is None:
            known = ", ".join(sorted(self._open)) or "none"
            raise NotLeased(
                f"no lease of {scope} is open in the owning process; open: {known}",
                remedy=f'add it: with lease("{scope}", …)',
            )
        return opened.live

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
    def socket_path(self) -> Path | None:
        """Where workers read this session's leases; None while there are none."""
        stack = self._stack
        return stack.broker.path if stack is not None and stack.broker else None

    def close(self) -> dict[str, ExitReport]:
        """At the interpreter's exit: end every lease, however many hold it."""
        with self._lock:
            for opened in self._open.values():
                opened.users = 1
            names = list(self._open)
        return self.release(*names, exiting=True)

    def forget(self) -> None:
        """In a forked child: nothing of this is ours any more."""
        for opened in self._open.values():
            opened.live.forget()
        if self._stack is not None:
            self._stack.forget()
        self._lock = threading.RLock()
        self._open = {}
        self._stack = None

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

    def _serve(self) -> None:
        with self._lock:
            stack = self._stack
            if stack is not None and stack.broker is None:
                stack.broker = Broker(self, self.clock, self.listeners)
                os.environ[ENVIRONMENT] = str(stack.broker.path)

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
        """Undo `_bring_up` and `_serve`; what became of each login, by its accessor."""
        broker = stack.broker
        if broker is not None and os.environ.get(ENVIRONMENT) == str(broker.path):
            del os.environ[ENVIRONMENT]
        outcomes = stack.take_down(until)
        if self._sigterm is not None:
            self._sigterm.remove()
        return outcomes


def _view(live: LiveGrant) -> ScopeView:
    scope = live.scope
    return ScopeView(scope.name, tuple(scope.access), live.issuer.connection(scope))


def _process_key() -> str:
    rank = next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), "")
    return f"{socket.gethostname()}:{rank}"
