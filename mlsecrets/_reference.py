"""The handle that crosses process boundaries: names a lease, holds no secret."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import _current
from ._broker._job import job_name
from ._broker._place import Place
from ._broker._socket import ENVIRONMENT
from ._broker.attach import attachment, is_attached
from ._tenant import tenant
from .errors import LeaseClosed, NotLeased, OwnerGone
from .issuer import Source
from .view import ScopeView

#: Where the owner listens whose reference came here last. Workers that are older than
#: the block (a forkserver's, joblib's) learn it in no other way.
_shown: str | None = None


@dataclass(frozen=True)
class Reference:
    """Where to read a lease, from any process of the job.

    It pickles, hashes and prints the same everywhere: libraries use that for caching.

    Attributes:
        scope: the lease's scope.
        socket: where its owner listens; None to look in the environment.
        owner: the owner's process id.
    """

    scope: str
    socket: str | None = field(default=None, repr=False, compare=False)
    owner: int | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_arrived, (self.scope, self.socket, self.owner))

    def source(self) -> Source:
        """Where this process reads the lease: its own, or its owner's socket.

        Raises:
            LeaseClosed: this process owned it, and its block has ended.
            NotLeased: no owner is known.
        """
        held = self.held()
        if held is not None:
            return held
        if self.owner == os.getpid():
            raise LeaseClosed(
                f"lease {self.scope} has ended: its block was left",
                remedy="keep the work that needs it inside the with block",
            )
        path = _other_socket(self.socket)
        if path is None:
            raise NotLeased(
                f"no lease of {self.scope} is open, here or in a parent process",
                remedy=f'open one around this code: with lease("{self.scope}"): …',
            )
        return attachment(path).source(self.scope)

    def held(self) -> Source | None:
        """The lease as this process holds it, with a block of its own; None if not."""
        # What is held at another goes on being read from there until all of it is here,
        # when this process is about to own it.
        held = tenant().held(self.scope)
        if held is not None:
            return held
        session = _current.current()
        if session is not None and session.holds(self.scope):
            return session.held(self.scope)
        return None

    def view(self) -> ScopeView:
        """The public face of the lease's scope.

        Raises:
            NotLeased: it is not open.
        """
        for view in views(fresh=False):
            if view.name == self.scope:
                return view
        for view in views(fresh=True, socket=self.socket):
            if view.name == self.scope:
                return view
        raise NotLeased(f"no lease of {self.scope} is open")


def _arrived(scope: str, socket: str | None, owner: int | None) -> Reference:
    """A reference as it was sent; if from another process, it shows the way to it."""
    global _shown  # noqa: PLW0603  a process has one
    if socket is not None and owner != os.getpid():
        _shown = socket
    return Reference(scope, socket, owner)


def owner_socket() -> Path | None:
    """The socket of the process that owns this one's leases, if it is another.

    It is the one that a parent process has left in the environment; or that of this
    process's job; or, if there is neither, or the first is gone, the one that a
    reference brought here.
    """
    path = _other_socket(None)
    return None if path is None else Path(path)


def _other_socket(shown: str | None) -> str | None:
    session = _current.current()
    own = session.place if session is not None else None
    path = os.environ.get(ENVIRONMENT)
    other = shown or _shown
    if path and other and _is_older(path, other):
        path = other
    if not path:
        name = job_name(os.environ)
        if name is not None:
            # A job has one place on each node: a reference may come from another node.
            path = _owned(_job_socket(name))
        else:
            path = shown or _owned(_shown)
    return None if own is not None and str(own.socket) == path else path


def _is_older(path: str, other: str) -> bool:
    """Whether nobody serves where the environment says, and somebody does elsewhere.

    A forkserver keeps the environment that it began with: that of an earlier block.
    """
    return path != other and not os.path.lexists(path) and os.path.lexists(other)


def _owned(path: str | None) -> str | None:
    """The path, if somebody serves there, or will again in a moment.

    Between two owners there is no socket: the next one holds the lock already, and who
    has read from the last one has something until then.
    """
    if path is None or os.path.lexists(path) or is_attached(path):
        return path
    try:
        return None if Place.at(Path(path)).holder_is_gone() else path
    except OwnerGone:
        return None


@lru_cache(maxsize=8)
def _job_socket(name: str) -> str:
    # Kept, as readers ask for every signature; `connect` looks at the folder again.
    return str(Place.of_job(name).socket)


def views(*, fresh: bool, socket: str | None = None) -> tuple[ScopeView, ...]:
    """The public faces of every lease this process can read.

    Args:
        fresh: ask the owner again, although its leases are known.
        socket: where to ask, if the environment does not say.
    """
    session = _current.current()
    own = session.views() if session is not None else ()
    path = _other_socket(socket)
    theirs = attachment(path).views(fresh=fresh) if path is not None else ()
    found: dict[str, ScopeView] = {}
    # Between two owners, neither of them has all that is held here.
    for view in (*own, *theirs, *tenant().views()):
        found.setdefault(view.name, view)
    return tuple(found.values())
