"""Receipts: what a process could read and write, and nothing to use."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from mlsecrets import Receipt, lease, receipts
from mlsecrets.devstack import DevStack
from mlsecrets.leaks import find_secrets


def test_a_receipt_says_what_was_allowed(mlsecrets_configured: DevStack) -> None:
    """And which lease it was, to whoever has the issuer's audit log."""
    assert receipts() == ()
    with lease("train-data", "checkpoints") as creds:
        told = {receipt.scope: receipt for receipt in receipts()}
        terms = creds["train-data"].snapshot().terms
        assert not find_secrets([asdict(receipt) for receipt in told.values()])
    data = told["train-data"]
    assert sorted(told) == ["checkpoints", "train-data"]
    assert data.access == ("read s3://datasets/digits/*",)
    assert (data.issuer, data.version) == ("store", "1.0.0")
    assert "@" in data.owner
    assert data.lease == hashlib.sha256(terms.lease_id.encode()).hexdigest()[:16]
    assert data.generation == terms.generation


def test_a_receipt_reads_back() -> None:
    """From a tag of a run."""
    receipt = Receipt("data", "1.0.0", "o@e.org", "bao", ("read s3://a/*",), "ab", 3)
    assert Receipt.from_json(receipt.to_json()) == receipt
