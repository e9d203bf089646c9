"""Owners while nodes come and go, and processes die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

pytest.importorskip("ray")

import ray
from _ray import parts
from _ray.cluster import SmallCluster

from mlsecrets.devstack import DevStack
from mlsecrets_ray import ClusterLeases, NodeReport

ON_A = {"resources": {"a": 0.01}}


def until(
    creds: ClusterLeases, node: str, wanted: Callable[[NodeReport], bool]
) -> NodeReport:
    """The report on a node, once it is as wanted; at most a minute."""
    for _ in range(600):
        for report in creds.nodes:
            if report.node == node and wanted(report):
                return report
        threading.Event().wait(0.1)
    raise AssertionError(f"not within a minute: {creds.nodes}")


def node_of(name: str) -> str:
    """The id of the node that has such a resource."""
    return str(next(n["NodeID"] for n in ray.nodes() if name in n["Resources"]))


def test_a_worker_that_is_killed_costs_the_issuer_nothing(
    creds: ClusterLeases, stack: DevStack, paths: list[str]
) -> None:
    """Its successor asks the owner, which is another process."""
    reader = (
        ray.remote(parts.Reader)
        .options(max_restarts=1, max_task_retries=-1, **ON_A)
        .remote(creds["train-data"])
    )
    pid = ray.get(reader.pid.remote())
    logins = stack.openbao.audit_log.read_text().count("auth/approle/login")
    os.kill(pid, signal.SIGKILL)
    assert ray.get(reader.read.remote(paths[0]))[1] == b"PAR1"
    assert ray.get(reader.pid.remote()) != pid
    after = stack.openbao.audit_log.read_text().count("auth/approle/login")
    assert after == logins
    ray.kill(reader)


def test_an_owner_that_is_killed_is_started_again(
    creds: ClusterLeases, paths: list[str]
) -> None:
    """On its node, and a worker that was reading goes on."""
    reader = ray.remote(parts.Reader).options(**ON_A).remote(creds["train-data"])
    ray.get(reader.read.remote(paths[0]))
    node = node_of("a")
    before = until(creds, node, lambda report: report.pid > 0)
    os.kill(before.pid, signal.SIGKILL)
    after = until(creds, node, lambda r: r.pid not in {0, before.pid})
    assert after.restarts == before.restarts + 1
    assert ray.get(reader.read.remote(paths[0]))[1] == b"PAR1"
    ray.kill(reader)


def test_a_node_that_joins_has_an_owner_before_its_first_task(
    creds: ClusterLeases, cluster: SmallCluster, paths: list[str]
) -> None:
    """The task waits for it; and when the node is lost, that is said."""
    task = ray.remote(parts.read_lease).options(resources={"late": 1})
    waiting = task.remote(creds["train-data"], paths[0])
    added = cluster.add("late")
    node, _, content = ray.get(waiting)
    assert content == b"PAR1"
    assert until(creds, node, lambda report: report.pid > 0).problem is None
    cluster.cluster.remove_node(added, allow_graceful=False)
    lost = until(creds, node, lambda report: report.pid == 0)
    assert lost.problem is not None
    assert "left the cluster" in lost.problem
