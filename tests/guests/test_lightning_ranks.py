"""Ranks in processes of their own, however Lightning starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import mlflow
import pytest

from mlsecrets.devstack import DevStack
from mlsecrets_mlflow import tracking


@pytest.mark.timeout(240)  # ranks that are spawned import everything anew
@pytest.mark.parametrize(
    ("strategy", "scheme"),
    [("ddp", "s3"), ("ddp_fork", "leases3"), ("ddp_spawn", "s3")],
)
def test_ranks_read_write_and_log_on_one_owners_leases(
    address: str,
    platform: DevStack,
    data: None,
    tmp_path: Path,
    *,
    strategy: str,
    scheme: str,
) -> None:
    """Two of them; one process logs in and asks issuers, the others join it."""
    journal = tmp_path / "journal"
    folder = f"run-{uuid.uuid4().hex[:8]}"
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.guests.ranks",
            str(platform.manifest_path),
            strategy,
            f"{scheme}://checkpoints/{folder}",
            address,
        ],
        env={**os.environ, "MLSECRETS_JOURNAL": str(journal)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    best = run.stdout.split()[-1]
    store = platform.admin_s3()
    store.head_object(Bucket="checkpoints", Key=f"{folder}/{best.rpartition('/')[2]}")
    store.close()
    with tracking(address):
        (logged,) = mlflow.search_runs(
            experiment_names=["ranks"],
            filter_string=f"attributes.run_name = '{strategy}'",
            output_format="list",
        )
    assert logged.info.status == "FINISHED"
    assert "loss" in logged.data.metrics
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    (owner,) = {e["pid"] for e in events if e["event"] in {"issued", "replaced"}}
    joined = [e for e in events if e["event"] == "joined"]
    assert {event["scope"] for event in joined} == {
        "train-data",
        "checkpoints",
        "mlflow",
    }
    # Where Lightning starts the program again, its first process is a rank itself.
    assert len({event["worker"] for event in joined} - {owner}) == 1 + (
        strategy != "ddp"
    )
    assert not [e for e in events if e["event"] == "refused"]
