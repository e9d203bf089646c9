"""The process whose leases this one may read, asked over its socket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .._broker._socket import connect, peer
from .._reference import owner_socket, views
from ..view import ScopeView
from ._leases import JournalledLease

#: Seconds to wait for a process on this machine.
TIMEOUT = 5.0


@dataclass(frozen=True)
class Owner:
    """Who owns the leases, and which it holds.

    Attributes:
        pid: its process id; 0 where the system does not tell.
        views: the public faces of its leases.
    """

    pid: int
    views: tuple[ScopeView, ...]

    @property
    def access(self) -> dict[str, list[str]]:
        """What each lease allows, by scope."""
        return {view.name: [str(right) for right in view.access] for view in self.views}

    def known(self, journalled: Iterable[JournalledLease]) -> list[JournalledLease]:
        """Its leases, with what a journal tells of them; and its logins."""
        own = {lease.scope: lease for lease in journalled if lease.pid == self.pid}
        held = [
            own.get(view.name) or JournalledLease(view.name, self.pid)
            for view in self.views
        ]
        return held + [lease for name, lease in own.items() if _is_login(name)]


def find_owner() -> Owner | None:
    """The owner that ``MLSECRETS_SOCK`` names; None if it names none.

    Raises:
        OwnerGone: it does not answer.
    """
    path: Path | None = owner_socket()
    if path is None:
        return None
    with connect(path, TIMEOUT) as connection:
        pid, _ = peer(connection)
    return Owner(pid, views(fresh=True))


def _is_login(scope: str) -> bool:
    return scope.startswith("login:")
