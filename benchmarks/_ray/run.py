"""The parts of the benchmark, in one cluster after the other."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ray

from mlsecrets.devstack import DevStack
from mlsecrets_ray import ClusterLeases, NodeReport, leased

from . import killed, parts, scan
from .cluster import SmallCluster, small_cluster
from .wait import until
from .wire import IDENTITY, LOGIN, SESSION, Wire, listening

PARTS = ("reads", "hosts", "crash", "nodes", "search", "keeper")
SCOPES = ("train-data", "checkpoints")
#: The nodes that work.
NAMES = ("a", "b")


def run(only: Collection[str], seconds: float, ttl: float) -> int:
    """Run the parts and print; 1 if any of them went wrong."""
    bad = 0
    with DevStack(ttl=ttl) as stack, listening(stack) as wire:
        paths = [f"datasets/{key}" for key in stack.seed_digits()["train"]]
        planted = {name: secrets.token_hex(24) for name in scan.CONTROLS}
        with small_cluster(*NAMES, dashboard="search" in only) as cluster:
            begun = time.monotonic()
            with leased(*SCOPES, manifest=wire.manifest) as creds:
                print(f"owners on 3 nodes: {time.monotonic() - begun:.1f} s")
                if "reads" in only:
                    bad += _reads(creds, paths, seconds)
                if "hosts" in only:
                    bad += _tune(creds, paths[0]) + _serve(creds, paths[0])
                if "crash" in only:
                    bad += _crash(creds, paths)
                if "nodes" in only:
                    bad += _nodes(creds, cluster, paths)
                _plant(planted)
                begun = time.monotonic()
            print(f"end of the block: {time.monotonic() - begun:.1f} s")
            bad += _calls(wire, creds.nodes, exact=not {"crash", "nodes"} & set(only))
            if "search" in only:
                bad += _search(cluster, wire, planted)
    if "keeper" in only:
        bad += killed.both(("thread", "process"))
    return int(bad > 0)


def _reads(creds: ClusterLeases, paths: Sequence[str], seconds: float) -> int:
    data = creds["train-data"]
    task = ray.remote(parts.read_for)
    actor = ray.remote(parts.Reader)
    running: dict[str, list[Any]] = {"tasks": [], "actors": []}
    for name in NAMES:
        on = {"num_cpus": 0.1, "resources": {name: 0.1}}
        running["tasks"].append(task.options(**on).remote(data, paths, seconds))
        reader = actor.options(**on).remote(data)
        running["actors"].append(reader.read_for.remote(paths, seconds))
    begun, passes, rows = time.monotonic(), 0, 0
    while time.monotonic() - begun < seconds / 3:
        found = ray.data.read_parquet(list(paths), filesystem=data.pyarrow_filesystem())
        rows += len(found.map_batches(lambda batch: batch).take_all())
        passes += 1
    print(f"  Data: {passes} passes, {rows} rows")
    result = _trained(creds, paths)
    print(f"  Train: {result.metrics}, checkpoint {result.checkpoint.path}")
    failed = 0
    for kind, refs in running.items():
        done = ray.get(refs)
        errors = [error for _, found in done for error in found]
        failed += len(errors)
        print(f"  {kind}: {sum(n for n, _ in done)} reads, {len(errors)} failed")
        for error in errors[:3]:
            print(f"    {error}")
    return failed


def _trained(creds: ClusterLeases, paths: Sequence[str]) -> Any:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    found = ray.data.read_parquet(
        list(paths), filesystem=creds["train-data"].pyarrow_filesystem()
    )
    return DataParallelTrainer(
        parts.train,
        train_loop_config={"epochs": 3, "pause": 2.0},
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.5}),
        datasets={"train": found},
        run_config=RunConfig(
            name="bench",
            storage_path="checkpoints/run-ray",
            storage_filesystem=creds["checkpoints"].pyarrow_filesystem(),
        ),
    ).fit()


def _tune(creds: ClusterLeases, path: str) -> int:
    from ray import tune

    results = tune.Tuner(
        tune.with_resources(parts.trial, {"cpu": 0.5}),
        param_space={"x": tune.grid_search([1, 2]), "url": f"leases3://{path}"},
        run_config=tune.RunConfig(
            name="tune",
            verbose=0,
            storage_path="checkpoints/run-ray",
            storage_filesystem=creds["checkpoints"].pyarrow_filesystem(),
        ),
    ).fit()
    print(f"  Tune: {len(results)} trials, {results.num_errors} failed")
    return int(results.num_errors)


def _serve(creds: ClusterLeases, path: str) -> int:
    from ray import serve

    serve.start(proxy_location="Disabled")
    model = serve.deployment(parts.Model).options(
        num_replicas=2, ray_actor_options={"num_cpus": 0.1}
    )
    handle = serve.run(model.bind(creds["train-data"], path), route_prefix=None)
    done, failed, until = 0, 0, time.monotonic() + 12
    while time.monotonic() < until:
        if handle.remote().result() == b"PAR1":
            done += 1
        else:
            failed += 1
    serve.shutdown()
    print(f"  Serve: {done} answers of 2 replicas, {failed} wrong")
    return failed


def _crash(creds: ClusterLeases, paths: Sequence[str]) -> int:
    reader = (
        ray.remote(parts.Reader)
        .options(
            resources={"a": 0.1}, num_cpus=0.1, max_restarts=1, max_task_retries=-1
        )
        .remote(creds["train-data"])
    )
    pid = ray.get(reader.pid.remote())
    os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    ray.get(reader.read.remote(paths[0]))
    print(f"  a worker killed: its successor reads after {_since(begun)}")
    node = next(n["NodeID"] for n in ray.nodes() if "a" in n["Resources"])
    before = until(creds, node, lambda report: report.pid > 0)
    reading = reader.read_for.remote(list(paths), 15.0)
    os.kill(before.pid, signal.SIGKILL)
    begun = time.monotonic()
    until(creds, node, lambda report: report.pid not in {0, before.pid})
    print(f"  an owner killed: another serves after {_since(begun)}")
    done, failed = ray.get(reading)
    print(f"  meanwhile {done} reads on its node, {len(failed)} failed")
    for error in failed[:3]:
        print(f"    {error}")
    return len(failed)


def _nodes(creds: ClusterLeases, cluster: SmallCluster, paths: Sequence[str]) -> int:
    task = ray.remote(parts.read_lease).options(resources={"late": 1})
    waiting = task.remote(creds["train-data"], paths[0])
    added = cluster.add("late")
    begun = time.monotonic()
    node, _, content = ray.get(waiting)
    print(
        f"  a node joined: the task that waited for it has read after {_since(begun)}"
    )
    until(creds, node, lambda report: report.pid > 0)
    cluster.cluster.remove_node(added, allow_graceful=False)
    begun = time.monotonic()
    lost = until(creds, node, lambda report: report.pid == 0)
    print(f"  the node was lost, noticed after {_since(begun)}: {lost.problem}")
    return int(content != b"PAR1")


def _calls(wire: Wire, reports: Sequence[NodeReport], *, exact: bool) -> int:
    newest = 0
    for report in reports:
        for text in report.leases.values():
            numbers = re.findall(r"generation (\d+) ", text)
            newest += max(map(int, numbers), default=0)
    calls = wire.heard.calls
    print(
        f"calls: {calls[LOGIN]} logins on {len(reports)} nodes; {calls[IDENTITY]} web "
        f"identities, {calls[SESSION]} sessions, for {newest} generations"
    )
    if not exact:
        print("  (owners that were killed or lost have made no report of theirs)")
        return 0
    return int((calls[LOGIN], calls[SESSION]) != (len(reports), newest))


def _plant(planted: Mapping[str, str]) -> None:
    """Have Ray keep what it must not be given, in three ways."""
    variables = {"env_vars": {"PLANTED": planted["env_vars"]}}
    ray.get(ray.remote(parts.where).options(runtime_env=variables).remote())
    _KEPT.append(ray.put(planted["object"].encode() * 10_000))
    carried = planted["closure"]
    ray.get(ray.remote(lambda: len(carried)).remote())


#: References, so that objects stay in the store until it has been searched.
_KEPT: list[Any] = []


def _search(cluster: SmallCluster, wire: Wire, planted: Mapping[str, str]) -> int:
    known = wire.heard.all()
    search = scan.search_for(known, planted)
    address = cluster.cluster.webui_url
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    found = {
        "session files": scan.files(search, cluster.session),
        "GCS keys and values": scan.key_value_store(search, cluster.cluster.address),
        "memory of Ray's processes": scan.memory(search, cluster.pids()),
        "dashboard": scan.dashboard(search, address, scan.log_pages(address, nodes)),
    }
    print(f"search for {len(known)} secrets:")
    bad = 0
    for place, seen in found.items():
        print(
            f"  {place:<26} {seen.items:6} items {seen.bytes / 1e6:9.1f} MB   "
            f"secrets {len(seen.secrets)}   "
            f"planted: {', '.join(sorted(seen.planted)) or 'none'}"
        )
        for line in [*seen.secrets[:5], *seen.unread[:5]]:
            print(f"    {line}")
        bad += len(seen.secrets)
    missed = set(planted) - set().union(*(seen.planted for seen in found.values()))
    if missed:
        print(f"  planted, and not found anywhere: {', '.join(sorted(missed))}")
    return bad + len(missed)


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"
