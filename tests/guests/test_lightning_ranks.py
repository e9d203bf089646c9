"""Ranks in processes of their own: they read their parent's leases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from mlsecrets.devstack import DevStack


@pytest.mark.parametrize(
    ("strategy", "scheme"), [("ddp_fork", "leases3"), ("ddp_spawn", "s3")]
)
def test_ranks_read_and_write_on_their_parents_leases(
    platform: DevStack, data: None, tmp_path: Path, strategy: str, scheme: str
) -> None:
    """Two of them; neither logs in, neither asks an issuer."""
    journal = tmp_path / "journal"
    folder = f"run-{uuid.uuid4().hex[:8]}"
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.guests.ranks",
            str(platform.manifest_path),
            strategy,
            f"{scheme}://checkpoints/{folder}",
        ],
        env={**os.environ, "MLSECRETS_JOURNAL": str(journal)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    best = child.stdout.split()[-1]
    store = platform.admin_s3()
    store.head_object(Bucket="checkpoints", Key=f"{folder}/{best.rpartition('/')[2]}")
    store.close()
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len({event["pid"] for event in events}) == 1
    attached = [e for e in events if e["event"] == "attached"]
    assert len({event["worker"] for event in attached}) == 2
    assert {event["scope"] for event in attached} == {"train-data", "checkpoints"}
