"""What the broker asks of the session, whose leases it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..events import Event
from ..grant import Grant
from ..report import ExitReport
from ..view import ScopeView


class Held(Protocol):
    """A live lease, as far as the broker needs it."""

    def snapshot(self, *, patient: bool) -> Grant:
        """The grant as it is now."""

    def ensure(self, seconds: float, *, patient: bool) -> Grant:
        """The grant with so many seconds left."""

    def invalidate(self, generation: int) -> None:
        """Replace credentials that a server refused."""

    def next_renewal(self) -> float:
        """The monotonic second at which the next renewal is due."""

    def figures(self) -> dict[str, Any]:
        """How it fares: numbers and names, nothing secret."""

    @property
    def lease_id(self) -> str | None:
        """The issuer's name for the credentials at hand."""


class Holder(Protocol):
    """Who holds the leases: the session."""

    def held(self, scope: str) -> Held:
        """The live lease of a scope; raises `LeaseClosed` or `NotLeased` if none is."""

    def holds(self, scope: str) -> bool:
        """Whether there is one."""

    def views(self) -> tuple[ScopeView, ...]:
        """The public faces of all leases that are open."""

    def shared(self, scope: str) -> bool | None:
        """Whether workers may read it: yes, no, or with a block of their own (None)."""

    def admit(self, scope: str, tell: Callable[[Event], None]) -> Callable[[], None]:
        """Hold a scope for a member, and tell it what happens; a function to stop that.

        It raises what opening a lease raises.
        """

    def dismiss(self, *scopes: str) -> dict[str, ExitReport]:
        """Hold scopes for a member no longer; a report on each that ended."""
