"""How a lease is opened, and let go of."""

from __future__ import annotations

import os

from . import _current
from ._lease import Lease
from ._reference import Reference, owner, owner_socket
from .errors import NotLeased

#: Seconds that requests under way at the end of a block get to be answered, before
#: their credentials are ended: an answer of the store takes milliseconds.
DRAIN = 2.0


def open_lease(scope: str) -> Lease:
    """Hold a scope here, or read it from the process that owns it.

    Raises:
        UnknownScope, IdentityError, IssuerError: it cannot be had.
        NotLeased, OwnerGone: this is a worker, and its owner does not lease it.
    """
    session = _current.current()
    owns = session is not None and session.busy
    attached = None if owns else owner()
    if attached is None:
        live = _current.session().acquire(scope)
        lease = Lease(_own_reference(scope), live)
        if _is_s3(lease):
            from .storage import plain_s3

            plain_s3.enter()
        return lease
    path = owner_socket()
    lease = Lease(Reference(scope, str(path)), None)
    if scope not in {view.name for view in attached.views(fresh=True)}:
        raise NotLeased(
            f"this process reads its leases from {path}, whose owner does not lease "
            f"{scope}",
            remedy=f'add "{scope}" to the owner\'s lease(…), or unset '
            "MLSECRETS_SOCK to lease it here",
        )
    return lease


def shared_lease(scope: str) -> Lease | None:
    """The lease of a scope that a block of this process holds; not held any longer."""
    session = _current.current()
    if session is None or not session.holds(scope):
        return None
    return Lease(_own_reference(scope), None)


def close_leases(*leases: Lease) -> None:
    """Let go of what `open_lease` gave; the last to do so ends them."""
    session = _current.current()
    ours = [held for held in leases if held._live and not held._live.forgotten]
    if session is None or not ours:
        return
    # Asked before the end, which takes the issuers away that know it.
    stored = [held.scope for held in ours if _is_s3(held)]
    if stored:
        from .storage import _readers

        _readers.quiesce(session.would_end(*stored), DRAIN)
    reports = session.release(*(held.scope for held in ours))
    for held in ours:
        held._report = reports.get(held.scope)
    if stored:
        from .storage import plain_s3

        plain_s3.leave(len(stored))


def _own_reference(scope: str) -> Reference:
    session = _current.current()
    path = None if session is None else session.socket_path
    return Reference(scope, None if path is None else str(path), os.getpid())


def _is_s3(lease: Lease) -> bool:
    live = lease._live
    return live is not None and "endpoint_url" in live.issuer.connection(live.scope)
