"""What the first lease brings up and the last takes down: issuers, logins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._live import LiveGrant
from ._renewer import Renewer
from ._setbacks import Failure
from .clock import Clock
from .events import Recorder
from .grant import Outcome
from .issuer import Identity, Issuer
from .manifest import Manifest
from .manifest import kinds as manifest_kinds
from .memory import Posture
from .scope import Scope


class Stack:
    """Makes issuers from the manifest, and keeps what they need alive.

    It is what issuers see of the session (`issuer.Context`).

    Args:
        manifest: where issuers, identities and revokers are described.
        clock: reads time.
        recorder: is told what happens to logins.
        key: makes this process's renewal instants its own.
        leases: gives the leases that are open now, for what a login's fate means to
            them.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        clock: Clock,
        recorder: Recorder,
        key: str,
        leases: Callable[[], Iterable[LiveGrant]],
    ) -> None:
        self.clock = clock
        self.renewer = Renewer(clock)
        self.logins: dict[str, LiveGrant] = {}
        #: Hardened, if that was asked for, until its last lease is shredded.
        self.posture = Posture()
        self._manifest = manifest
        self._recorder = recorder
        self._key = key
        self._leases = leases
        self._issuers: dict[str, Issuer] = {}
        # Re-entrant: making an issuer asks for another, for an identity and a login.
        self._lock = threading.RLock()

    def lease(self, scope: Scope, patience: float) -> LiveGrant:
        """A lease of a scope, kept alive from its first issue on."""
        live = LiveGrant(
            scope,
            self.issuer(scope.issuer),
            clock=self.clock,
            recorder=self._recorder,
            key=self._key,
            patience=patience,
        )
        live.on_due = self.renewer.schedule
        return live

    def take_down(self, until: float) -> list[tuple[str, Outcome]]:
        """Stop all that, and end the logins; what became of each, by its accessor.

        Args:
            until: monotonic seconds up to which an absent issuer is tried again.
        """
        self.renewer.close()
        outcomes = []
        for login in self.logins.values():
            ended = login.close(until - self.clock.monotonic())
            outcomes += [(ending.terms.lease_id, outcome) for ending, outcome in ended]
            login.tell_shredded({"generations": login.shred()})
        for issuer in self._issuers.values():
            issuer.close()
        return outcomes

    def forget(self) -> None:
        """In a forked child: the logins are the parent's."""
        for login in self.logins.values():
            login.forget()

    # -- what issuers ask for (issuer.Context) ----------------------------------------

    def identity(self, name: str) -> Identity:
        """An identity of the manifest, by name."""
        section = self._manifest.identities[name]
        kind: type[Identity] = manifest_kinds.identity(section.kind)
        return kind(name, section.values)

    def revoker(self, name: str) -> Mapping[str, Any]:
        """The checked keys of a revoker of the manifest, by name."""
        return self._manifest.revokers[name].values

    def issuer(self, name: str) -> Issuer:
        """An issuer of the manifest, by name; made at first use."""
        with self._lock:
            if name not in self._issuers:
                section = self._manifest.issuers[name]
                kind: type[Issuer] = manifest_kinds.issuer(section.kind)
                self._issuers[name] = kind(name, section.values, self)
            return self._issuers[name]

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
        # No patience of its own: the lease that needs it has some.
        login = LiveGrant(
            scope, issuer, clock=self.clock, recorder=self._recorder, key=self._key
        )
        login.on_due = self.renewer.schedule
        login.on_replaced = self._login_replaced
        login.on_doomed = self._login_doomed
        self.logins[name] = login
        return login

    # -- what a login's fate means to leases -------------------------------------------

    def _login_replaced(self, login: LiveGrant) -> None:
        """What was issued under the old token dies with it: replace it in time."""
        for live in self._under(login):
            if live.parent not in {None, login.lease_id}:
                live.replace_soon()

    def _login_doomed(self, login: LiveGrant, error: Failure) -> None:
        """No call is possible after its end, so neither is a renewal."""
        for live in self._under(login):
            live.tell_doomed(error)

    def _under(self, login: LiveGrant) -> list[LiveGrant]:
        return [live for live in self._leases() if live.issuer.login is login]
