"""The owner's side of members: processes with a block of their own, while it lasts."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .._forks import forgets, held_off
from ..errors import OwnerGone
from ..events import Event
from . import _wire

#: Seconds for which an event waits for the answer that a member is being sent.
PATIENCE = 1.0


class Member:
    """One process that holds leases of ours, and its lasting connection.

    Its end is noticed twice over: the connection closes, and its pidfd becomes readable
    (pidfd_open(2)). A child that it forked may have kept the connection open.

    Args:
        connection: to it; closed by `close`.
        pid: of the process; 0 where the system does not say.
    """

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.connection = connection
        self.pid = pid
        with held_off():
            self.pidfd = _open_pidfd(pid)
            forgets(self)
        #: The scopes that it has joined, and how often: its threads may have crossed.
        #: Changed only while a request of it is served.
        self.scopes: Counter[str] = Counter()
        #: Whether a request of it is being answered.
        self.answered = False
        self._sending = threading.Lock()

    @property
    def descriptors(self) -> tuple[Any, ...]:
        """What becomes readable when it asks for something, or ends."""
        if self.pidfd is None:
            return (self.connection,)
        return (self.connection, self.pidfd)

    def send(self, head: dict[str, Any]) -> None:
        """Send a frame; waits while the member is stopped and its buffer is full."""
        with self._sending:
            _wire.send(self.connection, head)

    def tell(self, event: Event) -> None:
        """Send it an event of a lease that it holds; see `offer`."""
        self.offer({"event": event.to_dict()})

    def offer(self, head: dict[str, Any]) -> None:
        """Send it what it does not wait for.

        It gets nothing if it is gone, or has been stopped for so long that its buffer
        is full: it holds nobody up.
        """
        if self._sending.acquire(timeout=PATIENCE):
            try:
                with suppress(OSError, OwnerGone):
                    _wire.offer(self.connection, head)
            finally:
                self._sending.release()

    def close(self) -> None:
        """Close the connection; a send that waits for it ends."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.forget()

    def forget(self) -> None:
        """In a forked child: close our copies of the descriptors, nothing else."""
        self.connection.close()
        if self.pidfd is not None:
            with suppress(OSError):
                os.close(self.pidfd)
            self.pidfd = None


class Members:
    """All of them, and a way to wait until they have left."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._members: set[Member] = set()
        self._leaving = 0

    def add(self, member: Member) -> None:
        """Count one in."""
        with self._changed:
            self._members.add(member)
            self._changed.notify_all()

    def remove(self, member: Member) -> bool:
        """Count one out, but for what is left to do; False if that has been done."""
        with self._changed:
            if member not in self._members:
                return False
            self._members.remove(member)
            self._leaving += 1
            return True

    def left(self) -> None:
        """What was left to do for one that was removed is done."""
        with self._changed:
            self._leaving -= 1
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Member]:
        with self._changed:
            return iter(tuple(self._members))

    def __len__(self) -> int:
        return len(self._members) + self._leaving

    def pids(self) -> set[int]:
        """Their process ids, as far as the system says."""
        return {member.pid for member in self if member.pid > 0}

    def hold(self, pid: int, scope: str) -> bool:
        """Whether the process has joined the scope."""
        return any(member.pid == pid and scope in member.scopes for member in self)

    def holding(self, scope: str) -> int:
        """How many have joined the scope."""
        return sum(scope in member.scopes for member in self)

    def await_some(self, seconds: float) -> bool:
        """Wait until there is one, at most so long; whether there is."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self) > 0, seconds)

    def await_none(self, seconds: float | None) -> bool:
        """Wait until the last has left, at most so long; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not len(self), seconds)

    def forget(self) -> None:
        """In a forked child: close our copies of their descriptors."""
        # Without the lock, which another thread may have held at the fork.
        for member in self._members:
            member.forget()


def _open_pidfd(pid: int) -> int | None:
    if pid <= 0 or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # gone, or a kernel before 5.3: the connection alone tells
