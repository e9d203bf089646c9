"""Receipts: what a process could read and write, and nothing to use."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import asdict

from mlsecrets import Event, Receipt, configure, lease, receipts
from mlsecrets.devstack import DevStack
from mlsecrets.leaks import find_secrets

WORKER = """
from mlsecrets import receipts
for receipt in receipts():
    print(receipt.to_json())
"""


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


def test_a_worker_says_what_the_job_may_do(mlsecrets_configured: DevStack) -> None:
    """It does not ask for what it may not have: nobody is told of a refusal."""
    refused: list[Event] = []
    configure(mlsecrets_configured.manifest_path, on_event=refused.append)
    with lease("train-data", "checkpoints"):
        lines = subprocess.run(
            [sys.executable, "-c", WORKER], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    told = {one.scope: one for one in map(Receipt.from_json, lines)}
    assert told["train-data"].lease
    assert told["checkpoints"].access == ("write s3://checkpoints/run-*/*",)
    assert told["checkpoints"].lease == ""
    assert [event.name for event in refused if event.name == "refused"] == []
