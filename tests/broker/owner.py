"""An owner that serves one lease, without manifest or server."""

from __future__ import annotations

from collections.abc import Callable

from mlsecrets._broker._place import Place
from mlsecrets._broker.serve import Broker
from mlsecrets._live import LiveGrant
from mlsecrets._reference import Reference
from mlsecrets.access import Access
from mlsecrets.clock import SYSTEM_CLOCK, Clock
from mlsecrets.errors import NotLeased
from mlsecrets.events import Event, Journal
from mlsecrets.report import ExitReport
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
            "data",
            "o@example.org",
            "1.0.0",
            "fake",
            ttl,
            9 * ttl,
            access,
            {},
            workers=True,
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
        self.broker = self.serve()

    def serve(self) -> Broker:
        place = Place.private()
        assert place.take()
        return Broker(self, self.live.clock, self.journal, place)

    def held(self, scope: str) -> LiveGrant:
        if scope != "data":
            raise NotLeased(f"no lease of {scope} is open", remedy="open it")
        return self.live

    def holds(self, scope: str) -> bool:
        return scope == "data"

    def shared(self, scope: str) -> bool | None:
        return self.held(scope).scope.shared

    def admit(self, scope: str, tell: Callable[[Event], None]) -> Callable[[], None]:
        self.held(scope)
        return lambda: None

    def dismiss(self, *scopes: str) -> dict[str, ExitReport]:
        return {}

    def views(self) -> tuple[ScopeView, ...]:
        return (ScopeView("data", self.live.scope.access, {"region_name": "x"}),)

    def close(self) -> None:
        self.broker.close()
        self.live.close()
        self.live.shred()


def read_token(reference: Reference) -> str:
    """In a worker: the lease's value, read through the owner's socket."""
    return reference.source().snapshot().credentials.reveal("token")
