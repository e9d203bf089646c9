"""One real Ray cluster of two nodes for all tests of this folder.

The driver is on the head node, which has no CPU: tasks run on the other one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("only Linux has all of 127.0.0.0/8", allow_module_level=True)
pytest.importorskip("ray")
pytest.importorskip("numpy")

from _ray.cluster import SmallCluster, small_cluster
from _ray.wire import Wire, listening

from mlsecrets.devstack import DevStack
from mlsecrets_ray import ClusterLeases, leased


@pytest.fixture(scope="session")
def stack(mlsecrets_stack: DevStack) -> DevStack:
    """OpenBao, the store and the revoker."""
    return mlsecrets_stack


@pytest.fixture(scope="session")
def paths(stack: DevStack) -> list[str]:
    """The objects of the handwritten digits, with their bucket."""
    return [f"datasets/{key}" for key in stack.seed_digits()["train"]]


@pytest.fixture(scope="session")
def manifest(stack: DevStack) -> Path:
    """The stack's: checkpoints are not shared with workers."""
    return stack.manifest_path


@pytest.fixture(scope="session")
def wire(stack: DevStack) -> Iterator[Wire]:
    """What is asked of the issuers passes here."""
    with listening(stack) as heard:
        yield heard


@pytest.fixture(scope="session")
def cluster(stack: DevStack) -> Iterator[SmallCluster]:
    """A head and the node "a", and nothing left of them afterwards."""
    with small_cluster("a") as running:
        yield running
        started = psutil.Process().children(recursive=True)
        rays = [p for p in started if p.is_running() and _is_rays(p)]
    _, alive = psutil.wait_procs(rays, timeout=10)
    assert not alive


def _is_rays(process: psutil.Process) -> bool:
    try:
        return any("ray" in part for part in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the owners of all nodes write down."""
    return tmp_path_factory.mktemp("ray") / "journal.jsonl"


@pytest.fixture(scope="module")
def creds(
    cluster: SmallCluster, manifest: Path, journal: Path
) -> Iterator[ClusterLeases]:
    """Two scopes, leased on both nodes for the tests of a file."""
    with leased(
        "train-data", "checkpoints", manifest=manifest, journal=str(journal)
    ) as open_leases:
        yield open_leases
