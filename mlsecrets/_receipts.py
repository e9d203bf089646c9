"""Receipts of all rights that this process can use now."""

from __future__ import annotations

from dataclasses import replace

from ._reference import Reference, views
from .errors import MLSecretsError
from .receipt import Receipt, lease_hash
from .view import ScopeView


def receipts() -> tuple[Receipt, ...]:
    """What the open leases allow: those of this process, and of the one it reads from.

    To be kept with what a run produces: it says what the run could read and write, and
    holds nothing that could be used.

    Raises:
        OwnerGone: this is a worker, and the owner of its leases does not answer.
    """
    return tuple(map(_receipt, views(fresh=True)))


def _receipt(view: ScopeView) -> Receipt:
    reference = Reference(view.name)
    receipt = Receipt(
        view.name,
        view.version,
        view.owner,
        view.issuer,
        tuple(map(str, view.access)),
    )
    if not view.shared and reference.held() is None:
        return receipt
    try:
        terms = reference.source().snapshot().terms
    except MLSecretsError:
        # It has run out, or has just ended: the right is told all the same.
        return receipt
    lease = lease_hash(terms.lease_id)
    return replace(receipt, lease=lease, generation=terms.generation)
