"""Ranks over gloo that save and load together, FSDP's shards among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from mlsecrets.devstack import DevStack

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)  # six processes that import torch
def test_ranks_save_their_shards_and_load_them(platform: DevStack) -> None:
    """At once, on a thread and in a process; each rank is a member of one owner."""
    url = f"leases3://checkpoints/run-{uuid.uuid4().hex[:8]}"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    program = ("-m", "tests.guests.torch_parts", str(platform.manifest_path), url)
    path = os.pathsep.join((str(ROOT), str(ROOT / "integrations")))
    done = subprocess.run(
        [sys.executable, *torchrun, *program],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=280,
    )
    told = sorted(
        map(json.loads, done.stdout.splitlines()), key=lambda one: one["rank"]
    )
    expected = {f"{place} before": False for place in ("plain", "thread", "process")}
    expected |= dict.fromkeys(("plain", "thread", "process"), True)
    for number, found in enumerate(told):
        assert found == {"rank": number, "any": [True, False], **expected}
    store = platform.admin_s3()
    prefix = url.removeprefix("leases3://checkpoints/")
    keys = store.list_objects_v2(Bucket="checkpoints", Prefix=prefix)["Contents"]
    store.close()
    names = ("__0_0.distcp", "__1_0.distcp", ".metadata")
    assert {one["Key"] for one in keys} == {
        f"{prefix}/{place}/{name}"
        for place in ("plain", "thread", "process")
        for name in names
    }
