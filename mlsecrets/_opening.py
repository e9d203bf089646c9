"""How a lease is opened, and let go of."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence

from . import _current, _tenant
from ._broker._place import Place
from ._forks import after_fork, importing
from ._lease import Lease
from ._live import LiveGrant
from ._reference import Reference
from ._rendezvous import meet, place_of_job
from ._session import Session
from ._tenant import Tenant
from ._tenant_grant import TenantGrant

#: Seconds that requests under way at the end of a block get to be answered, before
#: their credentials are ended: an answer of the store takes milliseconds.
DRAIN = 2.0

#: Held while it is found out who owns the leases, so that one thread does.
_deciding = threading.Lock()


def open_lease(scope: str) -> Lease:
    """Hold a scope here, or at the process that owns the job's leases.

    Raises:
        UnknownScope, IdentityError, IssuerError: it cannot be had.
        NotLeased, OwnerGone: another process owns the job's leases, and does not give
            this one, or does not answer.
    """
    with _deciding:
        holder, grant = _reserve(scope)
    try:
        grant.open()
        lease = Lease(_own_reference(scope), grant)
        if isinstance(grant, TenantGrant):
            grant.view = lease.reference.view()
    except BaseException:
        holder.release(scope)
        raise
    if _is_s3(lease):
        with importing():  # a child forked in the middle could never import it
            from .storage import plain_s3

        plain_s3.enter()
    return lease


def _reserve(scope: str) -> tuple[Session | Tenant, LiveGrant | TenantGrant]:
    """Count in a user of a scope, at whoever holds leases: this process, or another."""
    session, tenant = _current.current(), _tenant.tenant()
    if session is not None and session.place is not None:
        return session, session.reserve(scope, session.place)
    if not tenant.busy:
        met = meet(place_of_job(), tenant.hear, tenant.lost)
        if isinstance(met, Place):
            return _own(scope, met)
        tenant.begin(met)
    return tenant, tenant.reserve(scope)


def _own(scope: str, place: Place) -> tuple[Session, LiveGrant]:
    try:
        session = _current.session()
        return session, session.reserve(scope, place)
    except BaseException:
        place.give_up()
        raise


def shared_lease(scope: str) -> Lease | None:
    """The lease of a scope that a block of this process holds; not held any longer."""
    session = _current.current()
    own = session is not None and session.holds(scope)
    if not own and _tenant.tenant().held(scope) is None:
        return None
    return Lease(_own_reference(scope), None)


def close_leases(*leases: Lease) -> None:
    """Let go of what `open_lease` gave; the last to do so ends them."""
    ours = [held for held in leases if held._live and not held._live.forgotten]
    stored = [held for held in ours if _is_s3(held)]
    for holder, held in _by_holder(ours):
        scopes = [lease.scope for lease in held]
        # Asked before the end, which takes the issuers away that know it.
        of_storage = [lease.scope for lease in held if lease in stored]
        if of_storage:
            with importing():
                from .storage import _readers

            _readers.quiesce(holder.would_end(*of_storage), DRAIN)
        reports = holder.release(*scopes)
        for lease in held:
            lease._report = reports.get(lease.scope)
    if stored:
        from .storage import plain_s3

        plain_s3.leave(len(stored))


def _by_holder(
    leases: Sequence[Lease],
) -> Iterator[tuple[Session | Tenant, list[Lease]]]:
    """Each who holds some of the leases, with those."""
    own = [held for held in leases if isinstance(held._live, LiveGrant)]
    session = _current.current()
    if own and session is not None:
        yield session, own
    joined = [held for held in leases if isinstance(held._live, TenantGrant)]
    if joined:
        yield _tenant.tenant(), joined


def _own_reference(scope: str) -> Reference:
    session, tenant = _current.current(), _tenant.tenant()
    place = session.place if session is not None else None
    if place is None and tenant.busy:
        place = tenant.place
    return Reference(scope, None if place is None else str(place.socket), os.getpid())


def _is_s3(lease: Lease) -> bool:
    live = lease._live
    if isinstance(live, LiveGrant):
        return "endpoint_url" in live.issuer.connection(live.scope)
    view = live.view if live is not None else None
    return view is not None and "endpoint_url" in view.connection


def _forget() -> None:
    # In a forked child the lock may be held by a thread that is not there.
    global _deciding  # noqa: PLW0603
    _deciding = threading.Lock()


after_fork(_forget)
