"""How long what an owner held can be used once it has been killed, or lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import boto3
import ray
from botocore.config import Config
from botocore.exceptions import ClientError

from mlsecrets.devstack import DevStack
from mlsecrets_ray import ClusterLeases, leased

from . import parts
from .cluster import small_cluster
from .wait import until

#: Seconds that credentials live, and for which their end is waited for.
TTL, PATIENCE = 60.0, 10.0


def both(keepers: Sequence[str]) -> int:
    """Kill owners and lose nodes, for each keeper; 1 if one does not revoke."""
    bad = 0
    with DevStack(ttl=TTL) as stack:
        key = stack.seed_digits()["train"][0]
        for keeper in keepers:
            with (
                small_cluster("a", "b") as cluster,
                leased(
                    "train-data", manifest=stack.manifest_path, keeper=keeper
                ) as creds,
            ):
                node, got = _revealed(creds, "a")
                owner = until(creds, node, lambda report: report.pid > 0)
                os.kill(owner.pid, signal.SIGKILL)
                after_kill = _usable_for(stack, got, key)
                _, got = _revealed(creds, "b")
                lost = next(
                    node
                    for node in cluster.cluster.worker_nodes
                    if "b" in (node.get_resource_and_label_spec().resources)
                )
                cluster.cluster.remove_node(lost, allow_graceful=False)
                after_loss = _usable_for(stack, got, key)
            print(
                f"keeper={keeper!r}: usable for {after_kill:.1f} s after the owner was "
                f"killed, {after_loss:.1f} s after its node was lost "
                f"(looked at for {PATIENCE:g} s)"
            )
            if keeper == "process":
                bad += max(after_kill, after_loss) >= PATIENCE
    return int(bad > 0)


Revealed = dict[str, str]


def _revealed(creds: ClusterLeases, name: str) -> tuple[str, Revealed]:
    task = ray.remote(parts.reveal).options(resources={name: 0.1})
    node, revealed = ray.get(task.remote(creds["train-data"]))
    return str(node), revealed


def _usable_for(stack: DevStack, revealed: Revealed, key: str) -> float:
    store = boto3.client(
        "s3",
        endpoint_url=stack.store.address,
        region_name=stack.store.region,
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        **revealed,
    )
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        try:
            store.get_object(Bucket="datasets", Key=key)
        except ClientError:
            break
        time.sleep(0.05)
    return time.monotonic() - begun
