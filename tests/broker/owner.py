"""An owner that serves one lease, without manifest or server."""

from __future__ import annotations

from mlsecrets._broker.serve import Broker
from mlsecrets._live import LiveGrant
from mlsecrets._reference import Reference
from mlsecrets.access import Access
from mlsecrets.clock import SYSTEM_CLOCK, Clock
from mlsecrets.errors import NotLeased
from mlsecrets.events import Journal
from mlsecrets.scope import Scope
from mlsecrets.testing import FakeIssuer
from mlsecrets.view import ScopeView


class Owner:
    """What the session is to the broker."""

    def __init__(
        self,
        ttl: float = 60.0,
        *,
        patience: float = 0.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        access = (Access.parse("use https://mlflow.example.org"),)
        scope = Scope(
            "data", "o@example.org", "1.0.0", "fake", ttl, 9 * ttl, access, {}
        )
        self.journal = Journal()
        self.issuer = FakeIssuer(clock)
        self.live = LiveGrant(
            scope,
            self.issuer,
            clock=clock,
            recorder=self.journal,
            patience=patience,
        )
        self.live.open()
        self.broker = Broker(self, clock, self.journal)

    def held(self, scope: str) -> LiveGrant:
        if scope != "data":
            raise NotLeased(f"no lease of {scope} is open", remedy="open it")
        return self.live

    def views(self) -> tuple[ScopeView, ...]:
        return (ScopeView("data", self.live.scope.access, {"region_name": "x"}),)

    def close(self) -> None:
        self.broker.close()
        self.live.close()
        self.live.shred()


def read_token(reference: Reference) -> str:
    """In a worker: the lease's value, read through the owner's socket."""
    return reference.source().snapshot().credentials.reveal("token")
