"""Who may connect, read and join: asked of the kernel, not of whoever knocks."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from typing import Any

from ..errors import NotLeased
from ._holder import Holder
from ._members import Members
from ._peers import Peers, Roots, ancestors, check
from ._socket import peer

Note = Callable[..., None]
"""Puts an event into the journal: name, scope, the other process, details."""


class Rules:
    """What other processes may have of this one's leases.

    A *worker* descends from a process that holds leases here and has no block of its
    own. What is asked here is the least that the kernel vouches for: process and user
    id of whoever connected.

    Args:
        holder: whose leases.
        members: who has joined.
        peers: who may connect; see `configure`.
        roots: further processes whose descendants belong to the job.
        note: is told who was refused.
    """

    def __init__(
        self,
        holder: Holder,
        members: Members,
        peers: Peers,
        roots: Collection[int],
        note: Note,
    ) -> None:
        self._holder = holder
        self._members = members
        self._peers: Peers = peers
        self._roots = Roots(roots)
        self._note = note

    def check_peer(self, connection: socket.socket) -> None:
        """Raise `NotLeased` if the process at the other end may not connect at all."""
        trusted = self._holders() | self._roots.alive()
        refused = check(connection, self._peers, trusted)
        if refused is not None:
            self._refuse("", peer(connection)[0], reason=refused)
            raise NotLeased(f"the owner of the leases refuses this process: {refused}")

    def check_reader(self, pid: int, scope: str) -> bool:
        """Raise `NotLeased` if the process may not read the scope.

        Returns:
            whether it is a worker that may; else it holds the lease itself.
        """
        if pid == os.getpid() or self._members.hold(pid, scope):
            return False
        shared = self._holder.shared(scope)
        if shared is not True:
            self._refuse(scope, pid, reason="not shared with workers")
            raise _not_shared(scope, pid, may_join=shared is None)
        return True

    def check_joiner(self, pid: int, scope: str) -> None:
        """Raise `NotLeased` if the process is a worker and asks for more than it may.

        A rank may have whatever the manifest allows: it would be an owner itself if it
        had come first.
        """
        if not self._is_worker(pid):
            return
        if not self._holder.holds(scope):
            self._refuse(scope, pid, reason="not leased by its owner")
            raise NotLeased(
                f"this process reads its leases from another, which does not lease "
                f"{scope}",
                remedy=f'add "{scope}" to the owner\'s lease(…), or unset '
                "MLSECRETS_SOCK to lease it here",
            )
        if self._holder.shared(scope) is False:
            self._refuse(scope, pid, reason="not shared with workers")
            raise _not_shared(scope, pid, may_join=False)

    def _holders(self) -> set[int]:
        return {os.getpid(), *self._members.pids()}

    def _is_worker(self, pid: int) -> bool:
        if not hasattr(socket, "SO_PEERCRED"):
            return False  # nobody can say (macOS): the folder alone keeps others out
        chain = ancestors(pid) if pid > 0 else []
        # What cannot be told is told as the less trusted of the two.
        return not chain or not self._holders().isdisjoint(chain[1:])

    def _refuse(self, scope: str, pid: int, **detail: Any) -> None:
        self._note("refused", scope, pid, **detail)


def _not_shared(scope: str, pid: int, *, may_join: bool) -> NotLeased:
    remedy = f"its owner may set workers = true for {scope} in mlsecrets.toml"
    if may_join:
        remedy = f'open a block of its own: with lease("{scope}"): …; or {remedy}'
    return NotLeased(
        f"lease {scope} is not shared with workers, and process {pid} is one",
        remedy=remedy,
    )
