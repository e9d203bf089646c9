"""One per process: makes issuers from the manifest, and owns what renews and serves.

Everything below it comes up with the first lease and goes down with the last: issuers
and their logins, the renewal thread, the broker. A process without a lease holds
nothing.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._broker._socket import ENVIRONMENT
from ._broker.serve import Broker
from ._live import PATIENCE, LiveGrant
from ._renewer import Renewer
from ._signals import SigtermExit
from .clock import Clock
from .errors import NotLeased
from .events import Journal
from .grant import Ending, Outcome
from .issuer import Identity, Issuer
from .manifest import Manifest
from .manifest import kinds as manifest_kinds
from .memory import count_copies
from .report import EndedGrant, ExitReport
from .scope import Scope
from .view import ScopeView

#: What names this process's rank among its neighbours, for the renewal jitter: set by
#: torchrun and SLURM.
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


@dataclass
class _Open:
    live: LiveGrant
    users: int = 1


@dataclass
class _Stack:
    """What the first lease brings up and the last takes down."""

    renewer: Renewer
    issuers: dict[str, Issuer] = field(default_factory=dict)
    logins: dict[str, LiveGrant] = field(default_factory=dict)
    broker: Broker | None = None


class Session:
    """Holds this process's leases.

    Args:
        manifest: what may be leased.
        clock: reads time.
        journal: is told what happens.
        scan_on_exit: search the process's memory for copies when a lease ends.
        exit_on_sigterm: turn SIGTERM into SystemExit while a lease is open.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        clock: Clock,
        journal: Journal,
        scan_on_exit: bool = False,
        exit_on_sigterm: bool = False,
    ) -> None:
        self.manifest = manifest
        self.clock = clock
        self.journal = journal
        self._scan = scan_on_exit
        self._sigterm = SigtermExit() if exit_on_sigterm else None
        # Re-entrant: making an issuer asks the session for its identity and login.
        self._lock = threading.RLock()
        self._open: dict[str, _Open] = {}
        self._stack: _Stack | None = None
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
                live = LiveGrant(
                    scope,
                    self.issuer(scope.issuer),
                    clock=self.clock,
                    recorder=self.journal,
                    key=self._key,
                )
                live.on_due = self._bring_up().renewer.schedule
                opened = self._open[name] = _Open(live)
                self._views = None
        try:
            opened.live.open()
            self._serve()
        except BaseException:
            self.release(name)
            raise
        return opened.live

    def release(self, *names: str) -> dict[str, ExitReport]:
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
        for live in ending:
            if stack is not None:
                stack.renewer.cancel(live)
        ended = [(live, live.close(PATIENCE)) for live in ending]
        logins = []
        if stack is not None and self._stack is not stack:
            logins = self._take_down(stack)
        reports = {}
        for live, outcomes in ended:
            report = self._report(live, outcomes)
            for accessor, outcome in logins:
                report = report.with_login(accessor, outcome)
            reports[live.scope.name] = report
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
        """End every lease that is still open, however many hold it."""
        with self._lock:
            for opened in self._open.values():
                opened.users = 1
            names = list(self._open)
        return self.release(*names)

    def forget(self) -> None:
        """In a forked child: nothing of this is ours any more."""
        for opened in self._open.values():
            opened.live.forget()
        if self._stack is not None:
            for login in self._stack.logins.values():
                login.forget()
            if self._stack.broker is not None:
                self._stack.broker.forget()
        self._lock = threading.RLock()
        self._open = {}
        self._stack = None

    # -- what issuers ask for (issuer.Context) ----------------------------------------

    def identity(self, name: str) -> Identity:
        """An identity of the manifest, by name."""
        section = self.manifest.identities[name]
        kind: type[Identity] = manifest_kinds.identity(section.kind)
        return kind(name, section.values)

    def revoker(self, name: str) -> Mapping[str, Any]:
        """The checked keys of a revoker of the manifest, by name."""
        return self.manifest.revokers[name].values

    def issuer(self, name: str) -> Issuer:
        """An issuer of the manifest, by name; made at first use."""
        with self._lock:
            stack = self._bring_up()
            if name not in stack.issuers:
                section = self.manifest.issuers[name]
                kind: type[Issuer] = manifest_kinds.issuer(section.kind)
                stack.issuers[name] = kind(name, section.values, self)
            return stack.issuers[name]

    def login(self, name: str, issuer: Issuer) -> LiveGrant:
        """A login kept alive until the last lease ends; made at first snapshot."""
        scope = Scope(
            name=f"login:{name}",
            owner="",
            version="",
            issuer=name,
            ttl=0.0,
            max_ttl=float("inf"),
            access=(),
            options={},
        )
        live = LiveGrant(
            scope, issuer, clock=self.clock, recorder=self.journal, key=self._key
        )
        stack = self._bring_up()
        live.on_due = stack.renewer.schedule
        live.on_replaced = self._login_replaced
        stack.logins[name] = live
        return live

    # -- inside ----------------------------------------------------------------------

    def _bring_up(self) -> _Stack:
        with self._lock:
            if self._stack is None:
                self._stack = _Stack(Renewer(self.clock))
                if self._sigterm is not None:
                    self._sigterm.install()
            return self._stack

    def _serve(self) -> None:
        with self._lock:
            stack = self._stack
            if stack is not None and stack.broker is None:
                stack.broker = Broker(self, self.clock, self.journal)
                os.environ[ENVIRONMENT] = str(stack.broker.path)

    def _login_replaced(self, login: LiveGrant) -> None:
        # What was issued under the old token dies with it: replace it in time.
        accessor = login.lease_id
        with self._lock:
            lives = [opened.live for opened in self._open.values()]
        for live in lives:
            parent = live.parent
            if live.scope.issuer == login.scope.issuer and parent not in {
                None,
                accessor,
            }:
                live.replace_soon()

    def _report(
        self, live: LiveGrant, outcomes: list[tuple[Ending, Outcome]]
    ) -> ExitReport:
        """Search memory if asked, wipe ours, and put it all into words."""
        now = self.clock.monotonic()
        secrets = live.secrets()
        copies = None
        if self._scan and secrets:
            copies = count_copies([held.buffer for held in secrets], clock=self.clock)
        return ExitReport(
            scope=live.scope.name,
            ended=tuple(
                EndedGrant.at(ending.terms, outcome, now)
                for ending, outcome in outcomes
            ),
            protection=secrets[0].protection if secrets else None,
            copies=copies,
            shredded=live.shred(),
        )

    def _take_down(self, stack: _Stack) -> list[tuple[str, Outcome]]:
        """Undo `_bring_up`; what became of each login, by its accessor."""
        if stack.broker is not None:
            if os.environ.get(ENVIRONMENT) == str(stack.broker.path):
                del os.environ[ENVIRONMENT]
            stack.broker.close()
        stack.renewer.close()
        outcomes = []
        for login in stack.logins.values():
            ended = login.close(PATIENCE)
            outcomes += [(ending.terms.lease_id, outcome) for ending, outcome in ended]
            login.shred()
        for issuer in stack.issuers.values():
            issuer.close()
        if self._sigterm is not None:
            self._sigterm.remove()
        return outcomes


def _view(live: LiveGrant) -> ScopeView:
    scope = live.scope
    return ScopeView(scope.name, tuple(scope.access), live.issuer.connection(scope))


def _process_key() -> str:
    rank = next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), "")
    return f"{socket.gethostname()}:{rank}"
