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
    receipt = Receipt(
        view.name,
        view.version,
        view.owner,
        view.issuer,
        tuple(map(str, view.access)),
    )
    try:
        terms = Reference(view.name).source().snapshot().terms
    except MLSecretsError:
        # Not this process's to read, or it has run out: the right is told all the same.
        return receipt
    lease = lease_hash(terms.lease_id)
    return replace(receipt, lease=lease, generation=terms.generation)
