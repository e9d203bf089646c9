"""Tasks, actors, Data and Train read what the owner of their node leases."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("ray")

import ray
from _ray import parts
from _ray.cluster import SmallCluster

from mlsecrets import errors
from mlsecrets.devstack import DevStack
from mlsecrets_ray import ClusterLeases, leased
from mlsecrets_ray.train import storage_filesystem

#: What Ray itself says when its own defaults are copied.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`use_[a-z0-9_]+` is deprecated:DeprecationWarning"
)

ON_HEAD = {"num_cpus": 0, "resources": {"head": 0.01}}
ON_A = {"resources": {"a": 0.01}}


def test_each_node_has_one_owner(creds: ClusterLeases) -> None:
    """In a process of its own, that is neither the driver nor a worker."""
    owners = {report.node: report.pid for report in creds.nodes}
    assert set(owners) == {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    assert len({*owners.values(), 0, os.getpid()}) == len(owners) + 2
    assert [report.problem for report in creds.nodes] == [None, None]


def test_a_lease_is_read_from_the_owner_of_the_node_where_it_arrives(
    creds: ClusterLeases, paths: list[str], journal: Path
) -> None:
    """In the driver, in a task beside it, and in a task on the other node."""
    task = ray.remote(parts.read_lease)
    data = creds["train-data"]
    readers = [
        parts.read_lease(data, paths[0]),
        *ray.get([task.options(**on).remote(data, paths[0]) for on in (ON_HEAD, ON_A)]),
    ]
    assert {content for _, _, content in readers} == {b"PAR1"}
    assert readers[0][0] == readers[1][0] != readers[2][0]
    owners = {report.node: report.pid for report in creds.nodes}
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    answered = {(e["worker"], e["pid"]) for e in events if e["event"] == "attached"}
    assert answered >= {(pid, owners[node]) for node, pid, _ in readers}


@pytest.mark.parametrize("scheme", ["s3", "leases3"])
def test_an_address_is_enough_in_a_task(
    creds: ClusterLeases, paths: list[str], scheme: str
) -> None:
    """No lease is passed, and no line of set-up is in the task."""
    task = ray.remote(parts.read_url).options(**ON_A)
    _, pid, content = ray.get(task.remote(f"{scheme}://{paths[0]}"))
    assert content == b"PAR1"
    assert pid not in {report.pid for report in creds.nodes}


def test_an_actor_goes_on_with_the_next_generation(
    creds: ClusterLeases, paths: list[str]
) -> None:
    """It keeps its file system, in which there are no credentials."""
    reader = ray.remote(parts.Reader).options(**ON_A).remote(creds["train-data"])
    first, _ = ray.get(reader.read.remote(paths[0]))
    ray.get(reader.replace.remote())
    second, content = ray.get(reader.read.remote(paths[0]))
    assert second > first
    assert content == b"PAR1"
    ray.kill(reader)


def test_ray_data_reads_with_the_drivers_filesystem(
    creds: ClusterLeases, paths: list[str]
) -> None:
    """It is unpickled on a node where the driver is not."""
    found = ray.data.read_parquet(
        paths[:2], filesystem=creds["train-data"].pyarrow_filesystem()
    )
    assert len(found.map_batches(lambda batch: batch).take_all()) > 0


def test_train_workers_write_checkpoints_to_a_leased_store(
    creds: ClusterLeases, stack: DevStack
) -> None:
    """The controller and the workers join the lease, which is not shared with them."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    result = DataParallelTrainer(
        parts.report_once,
        scaling_config=ScalingConfig(
            num_workers=1, resources_per_worker={"CPU": 1, "a": 0.01}
        ),
        run_config=RunConfig(
            name="one",
            storage_path="checkpoints/run-ray",
            storage_filesystem=storage_filesystem(creds["checkpoints"]),
        ),
    ).fit()
    store = stack.admin_s3()
    listed = store.list_objects_v2(Bucket="checkpoints", Prefix="run-ray/one/")
    store.close()
    assert result.checkpoint is not None
    assert any(item["Key"].endswith("/state") for item in listed["Contents"])


def test_a_driver_has_one_block_at_a_time(creds: ClusterLeases) -> None:
    """The nodes' owners are those of the job."""
    with pytest.raises(errors.LeaseError, match="open in this driver already"):
        leased("mlflow").__enter__()


def test_what_is_not_leased_is_said(creds: ClusterLeases) -> None:
    """By the block, and by whoever reads."""
    with pytest.raises(errors.NotLeased, match="leases train-data, checkpoints"):
        creds["mlflow"]
    assert list(creds) == ["train-data", "checkpoints"]


def test_a_worker_stays_a_worker_of_its_node(
    creds: ClusterLeases, cluster: SmallCluster
) -> None:
    """What it is told is a name, and no path and no secret."""
    names = ray.get(ray.remote(parts.environment).options(**ON_A).remote())
    node = next(n["NodeID"] for n in ray.nodes() if "a" in n["Resources"])
    job = ray.get_runtime_context().get_job_id()
    assert names == {"MLSECRETS_JOB": f"ray:{job}:{node}"}
