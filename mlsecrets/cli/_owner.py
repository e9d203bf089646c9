"""Processes that own leases, asked over their sockets how these fare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .._broker.attach import figures
from .._reference import owner_socket
from ..clock import SYSTEM_CLOCK
from ..view import ScopeView
from ._leases import LeaseLine

#: Seconds to wait for a process on this machine.
TIMEOUT = 5.0


@dataclass(frozen=True)
class Owner:
    """Who owns leases, and which it holds.

    Attributes:
        pid: its process id.
        views: the public faces of its leases.
        leases: how each of them fares.
    """

    pid: int
    views: tuple[ScopeView, ...]
    leases: tuple[LeaseLine, ...]

    @property
    def access(self) -> dict[str, list[str]]:
        """What each lease allows, by scope."""
        return {view.name: [str(right) for right in view.access] for view in self.views}

    def known(self, journalled: Iterable[LeaseLine]) -> list[LeaseLine]:
        """Its leases, by a journal where that tells of them; and its logins."""
        own = {lease.scope: lease for lease in journalled if lease.pid == self.pid}
        held = [own.get(lease.scope) or lease for lease in self.leases]
        return held + [lease for name, lease in own.items() if _is_login(name)]


def find_owner() -> Owner | None:
    """The owner of the job that this process belongs to; None if it is nobody's.

    Raises:
        OwnerGone: it does not answer.
    """
    path: Path | None = owner_socket()
    return None if path is None else ask(path)


def ask(path: Path, timeout: float = TIMEOUT) -> Owner:
    """The owner that listens there, and its leases as they are now.

    Raises:
        OwnerGone: it does not answer.
        NotLeased: it does not let this process ask.
    """
    pid, told = figures(path, timeout)
    now = SYSTEM_CLOCK.wall()
    views = [ScopeView.from_json(lease["view"]) for lease in told]
    lines = [
        LeaseLine(
            view.name,
            pid,
            leases=1,
            generations=lease["generation"] or 0,
            renewals=lease["renewals"],
            last_renewal=lease["issued_at"],
            expires_at=lease["generation"] and now + lease["remaining"],
            doomed=lease["doomed"],
            failures=lease["failures"],
            last_failure=lease["last_failure"],
            workers=lease["readers"],
            members=lease["members"],
        )
        for view, lease in zip(views, told, strict=True)
    ]
    return Owner(pid, tuple(views), tuple(lines))


def _is_login(scope: str) -> bool:
    return scope.startswith("login:")
