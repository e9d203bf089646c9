"""An issuer without a server, that fails when told to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from ..clock import Clock
from ..credentials import BearerToken
from ..errors import LeaseExpired
from ..grant import Ending, Fate, Grant, Outcome, Terms
from ..issuer import Limits, Login
from ..keys import Key
from ..scope import Scope


class FakeIssuer:
    """Issues numbered tokens, and keeps count of what it was asked.

    Args:
        clock: the test's clock.
        lifetime: seconds that each grant lives; the scope's ttl if None.
        renewable: whether it renews, in steps of the lifetime.
        ceiling: seconds after issue past which no renewal goes.
        login: a token that its calls need, and its grants die with.

    Attributes:
        calls: ("issue" | "renew" | "end", scope name) in order.
        failures: errors to raise at the next calls, first one first.
    """

    KEYS: ClassVar[Mapping[str, Key]] = {}
    SCOPE_KEYS: ClassVar[Mapping[str, Key]] = {}
    VERBS: ClassVar[frozenset[str]] = frozenset({"use", "read", "write"})

    def __init__(
        self,
        clock: Clock,
        *,
        lifetime: float | None = None,
        renewable: bool = False,
        ceiling: float = float("inf"),
        login: Login | None = None,
    ) -> None:
        self.login = login
        self._clock = clock
        self._lifetime = lifetime
        self._renewable = renewable
        self._ceiling = ceiling
        self._numbers = itertools.count(1)
        self._born: dict[str, float] = {}
        self.calls: list[tuple[str, str]] = []
        self.failures: list[Exception] = []

    def limits(self, scope: Scope) -> Limits:
        """Renews if it was made so; always revokes."""
        return Limits(self._renewable, True, "a fake")

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """A new token."""
        self._called("issue", scope.name)
        parent = self._logged_in()
        number = next(self._numbers)
        lifetime = scope.ttl if self._lifetime is None else self._lifetime
        lease_id = f"{scope.name}/{number}"
        self._born[lease_id] = self._clock.monotonic()
        terms = Terms(
            scope=scope.name,
            lease_id=lease_id,
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=self._clock.monotonic() + lifetime,
            renewable=self._renewable,
            parent=parent,
        )
        return Grant(terms, BearerToken.of(f"fake-token-{number:06d}"))

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """The same token for longer, but not past the ceiling."""
        self._called("renew", scope.name)
        now = self._clock.monotonic()
        lifetime = scope.ttl if self._lifetime is None else self._lifetime
        end = self._born[grant.terms.lease_id] + self._ceiling
        lifetime = min(lifetime, end - now)
        return replace(
            grant.terms,
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=now + lifetime,
        )

    def retire(self, grant: Grant) -> Ending:
        """Its name is enough."""
        return Ending(grant.terms)

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """Revoked."""
        self._called("end", ending.terms.scope)
        return Outcome(Fate.REVOKED)

    def close(self) -> None:
        """Nothing to give back."""

    def count(self, call: str) -> int:
        """How often it was asked for this."""
        return sum(1 for name, _ in self.calls if name == call)

    def _logged_in(self) -> str | None:
        """The login that grants die with, if this issuer has one."""
        if self.login is None:
            return None
        try:
            return self.login.snapshot().terms.lease_id
        except LeaseExpired as expired:
            # As real issuers do: why there is no login is what the lease has to know.
            raise (expired.__cause__ or expired) from None

    def _called(self, call: str, scope: str) -> None:
        self.calls.append((call, scope))
        if self.failures:
            raise self.failures.pop(0)
