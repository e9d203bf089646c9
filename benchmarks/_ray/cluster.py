"""A Ray cluster of several nodes on this machine, each at a loopback address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

import mlsecrets_ray

#: Where the head is, which has no CPU: tasks that need one run elsewhere.
HEAD = "127.0.0.2"
#: Bytes of each node's object store: near the least that Ray takes.
STORE = 80_000_000
ROOT = Path(__file__).parents[2]
#: For Ray's own processes. They do without statistics for its makers; workers do not
#: yield to all others (Ray's default is a niceness of 15), which on a busy machine of
#: two processors would measure the others.
RAYS_OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # A node that is gone is noticed after five seconds, not fifteen.
    "RAY_health_check_period_ms": "1000",
}


class SmallCluster:
    """A head, and nodes that are added and removed."""

    def __init__(self, *, dashboard: bool = False) -> None:
        self._before = {name: os.environ.get(name) for name in RAYS_OWN}
        os.environ.update(RAYS_OWN)
        self._count = 0
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "node_ip_address": HEAD,
                "include_dashboard": dashboard,
                "dashboard_host": "127.0.0.1",
                "dashboard_port": 0 if dashboard else None,
                "object_store_memory": STORE,
                "resources": {"head": 1},
            },
        )

    @property
    def session(self) -> Path:
        """Ray's folder of files and logs for this cluster."""
        return Path(self.cluster.head_node.get_session_dir_path())

    def add(self, name: str, cpus: int = 2) -> Any:
        """A node more; tasks that ask for the resource of that name run on it."""
        self._count += 1
        return self.cluster.add_node(
            num_cpus=cpus,
            node_ip_address=f"127.0.0.{2 + self._count}",
            object_store_memory=STORE,
            resources={name: 100},
            labels={"name": name},
        )

    def connect(self, **env: Any) -> None:
        """This process becomes a driver, on the head."""
        # Where workers find the functions that they are to run.
        paths = (ROOT, ROOT / "benchmarks", ROOT / "integrations")
        variables = {"PYTHONPATH": os.pathsep.join(map(str, paths))}
        variables |= env.pop("env_vars", {})
        ray.init(
            address=self.cluster.address,
            _node_ip_address=HEAD,
            runtime_env=mlsecrets_ray.runtime_env(env_vars=variables, **env),
            log_to_driver=False,
            logging_level="warning",
        )

    def pids(self) -> dict[int, str]:
        """Ray's own processes, those that run nobody's code, by process id."""
        nodes = [self.cluster.head_node, *self.cluster.worker_nodes]
        found = {
            info.process.pid: kind
            for node in nodes
            for kind, infos in node.all_processes.items()
            for info in infos
        }
        agents = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
        for raylet in [pid for pid, kind in found.items() if kind == "raylet"]:
            for child in psutil.Process(raylet).children(recursive=True):
                name = " ".join(child.cmdline()[:1])
                if name in agents:
                    found[child.pid] = name
        return found

    def close(self) -> None:
        """End all of it."""
        ray.shutdown()
        self.cluster.shutdown()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def small_cluster(
    *names: str, dashboard: bool = False, **env: Any
) -> Iterator[SmallCluster]:
    """A cluster with these nodes beside the head, and this process its driver.

    Args:
        names: of the nodes, see `SmallCluster.add`.
        dashboard: start Ray's dashboard as well.
        env: for `mlsecrets_ray.runtime_env`.
    """
    cluster = SmallCluster(dashboard=dashboard)
    try:
        for name in names:
            cluster.add(name)
        cluster.connect(**env)
        yield cluster
    finally:
        cluster.close()
