"""One lease that is held at another process, as its readers see it here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from ._broker._place import Place
from ._broker.attach import AttachedGrant
from ._broker.join import Membership
from ._live import LiveGrant
from .clock import SYSTEM_CLOCK
from .credentials import Credentials
from .errors import LeaseClosed, MLSecretsError, OwnerGone
from .events import Event
from .exposure import Exposures
from .grant import Grant, Terms
from .issuer import Source
from .memory import Opaque
from .view import ScopeView

#: Events after which a lease goes on, if it was doomed before.
_GOES_ON = frozenset({"issued", "renewed", "replaced"})


class Holding(Protocol):
    """Who holds leases at another process: the tenant."""

    @property
    def place(self) -> Place:
        """Where the leases are owned."""

    def join(self, grant: TenantGrant) -> Membership | None:
        """Have the owner hold a scope; None if this process has become the owner."""

    def await_other(self, lost: Membership) -> bool:
        """Wait until another owner is found; False if that takes too long."""

    def note(self, name: str, scope: str, detail: Mapping[str, Any]) -> None:
        """Tell of something that happened to a lease here."""


class TenantGrant(Opaque):
    """One lease that is held at another process, as its readers see it here.

    Args:
        name: of the scope.
        tenant: whose it is.
    """

    WHAT = "a lease's source"
    INSTEAD = "send the lease, or its reference"

    def __init__(self, name: str, tenant: Holding) -> None:
        self.name = name
        self.users = 1
        self.exposures = Exposures()
        self.doomed_at: float | None = None
        #: Its public face. Known once it is open, whoever owns it from then on.
        self.view: ScopeView | None = None
        #: Whether an owner holds it for this process: it follows to the next one.
        self.joined = False
        #: Whether this is a forked child's copy: the parent's process holds the lease.
        self.forgotten = False
        self.closed = False
        #: Those of the last credentials that were read here, once it is closed.
        self.terms: Terms | None = None
        self._secrets: list[Credentials] = []
        self._tenant = tenant
        self._opening = threading.Lock()
        # Its own: a block that begins while this one ends is to have another.
        self._attached = AttachedGrant(tenant.place.socket, name, SYSTEM_CLOCK)
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
        """Have the owner hold it, and wait for its first credentials."""
        while True:
            with self._opening:
                membership = self._tenant.join(self)
            try:
                self.snapshot()
            except OwnerGone:
                # It may have left just now, when it had nothing to keep.
                if membership is None or not self._tenant.await_other(membership):
                    raise
            else:
                return

    def follow(self, live: LiveGrant | None) -> None:
        """Read from a new owner: this process, or whoever answers now (None)."""
        self.joined = True
        self.doomed_at = None
        if live is None:
            self._attached.ask_now()
        else:
            live.adopt(self.exposures)
            self._source = live
            self._attached.drop()

    def land(self, timeout: float) -> None:
        """Wait until no request is under way that is signed by the owner before.

        Args:
            timeout: seconds at the most.
        """
        with suppress(MLSecretsError):
            self.snapshot()  # of the new one, so that later requests are signed by it
        self.exposures.await_answers(timeout)

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
        self.terms = self._attached.terms
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
