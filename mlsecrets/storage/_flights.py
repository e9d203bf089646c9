"""API calls under way, and which client has signed with which lease.

A call is counted from its first signature until it is over, answered, failed or
cancelled: at its one entry and exit, because botocore's events do not tell of answers
that cannot be parsed, nor of a coroutine that is thrown away. Presigning is no call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from .._forks import after_fork
from ..exposure import Exposures

_current: ContextVar[Flight | None] = ContextVar("mlsecrets-flight", default=None)
# Re-entrant, as the garbage collector may end a forgotten coroutine's call in it.
_changed = threading.Condition(threading.RLock())
_under_way: set[Flight] = set()
_served: WeakKeyDictionary[Any, Served] = WeakKeyDictionary()


@dataclass
class Served:
    """What one client has signed with.

    Attributes:
        loop: the event loop that it works on; None if it is no coroutine's client.
        scopes: of the leases.
    """

    loop: Any
    scopes: set[str] = field(default_factory=set)


class Flight:
    """One API call of a client.

    Args:
        client: whose.
        loop: the event loop that it runs on, if it does.
    """

    def __init__(self, client: Any, loop: Any) -> None:
        self.client = client
        self.loop = loop
        self.thread = threading.get_ident()
        self.scopes: set[str] = set()
        self._carried: list[Exposures] = []

    def carries(self, scope: str, exposures: Exposures) -> None:
        """It has been signed with a lease; again at each retry."""
        if exposures in self._carried:
            return
        exposures.sent(self)
        self._carried.append(exposures)
        with _changed:
            self.scopes.add(scope)
            _under_way.add(self)
            served = _served.setdefault(self.client, Served(self.loop))
            served.loop = self.loop
            served.scopes.add(scope)

    def over(self) -> None:
        """It carries nothing any more."""
        while self._carried:
            self._carried.pop().answered(self)
        with _changed:
            _under_way.discard(self)
            _changed.notify_all()


@contextmanager
def flight(client: Any, loop: Any = None) -> Iterator[None]:
    """A block around one API call."""
    this = Flight(client, loop)
    token = _current.set(this)
    try:
        yield
    finally:
        this.over()
        with suppress(ValueError):  # a coroutine that ends in another context
            _current.reset(token)


def current() -> Flight | None:
    """The call that this code is part of, if it is part of one."""
    return _current.get()


def wait_for(scopes: frozenset[str], timeout: float) -> None:
    """Wait until no call signed with one of these leases is under way.

    Not for calls of the very thread that waits, an event loop's perhaps: they could not
    go on.

    Args:
        scopes: of the leases.
        timeout: seconds at the most.
    """
    me = threading.get_ident()

    def landed() -> bool:
        return not any(one.scopes & scopes and one.thread != me for one in _under_way)

    with _changed:
        _changed.wait_for(landed, timeout)


def clients() -> list[tuple[Any, Served]]:
    """Every client that has signed with a lease and has no call under way."""
    with _changed:
        busy = {one.client for one in _under_way}
        return [pair for pair in _served.items() if pair[0] not in busy]


def _forget() -> None:
    """In a forked child: these are the parent's."""
    global _changed  # noqa: PLW0603  its lock may be held for ever
    _changed = threading.Condition(threading.RLock())
    _under_way.clear()
    _served.clear()


after_fork(_forget)
