"""After a leased run nothing of it is in what Ray keeps."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("numpy")

import ray
from _ray import parts, scan
from _ray.cluster import SmallCluster
from _ray.wire import IDENTITY, LOGIN, SESSION, Wire

from mlsecrets import errors
from mlsecrets_ray import ClusterLeases, leased

ON_A = {"resources": {"a": 0.01}}


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Attributes:
        creds: its leases.
        calls: what it asked of the issuers, by kind.
        found: what a search found, by place.
        failed: reads that did.
        reader: an actor that has been reading.
    """

    creds: ClusterLeases
    calls: dict[str, int]
    found: dict[str, scan.Found]
    failed: list[str]
    reader: Any


@pytest.fixture(scope="module")
def ended(cluster: SmallCluster, wire: Wire, paths: list[str]) -> Iterator[Ended]:
    """Tasks and an actor have read over several generations, side by side."""
    before = dict(wire.heard.calls)
    planted = {name: secrets.token_hex(24) for name in scan.CONTROLS}
    with leased("train-data", manifest=wire.manifest) as creds:
        data = creds["train-data"]
        reader = ray.remote(parts.Reader).options(num_cpus=0.1, **ON_A).remote(data)
        task = ray.remote(parts.read_for).options(num_cpus=0.1, **ON_A)
        reading = [
            reader.read_for.remote(paths, 3.0),
            task.remote(data, paths, 3.0),
        ]
        ray.get(reader.replace.remote())
        failed = [error for _, errors in ray.get(reading) for error in errors]
        kept = plant(planted)
    calls = {kind: n - before.get(kind, 0) for kind, n in wire.heard.calls.items()}
    search = scan.search_for(wire.heard.all(), planted)
    found = {
        "files": scan.files(search, cluster.session),
        "key-value store": scan.key_value_store(search, cluster.cluster.address),
        "memory": scan.memory(search, cluster.pids()),
    }
    yield Ended(creds, calls, found, failed, reader)
    del kept
    ray.kill(reader)


def plant(values: dict[str, str]) -> object:
    """Have Ray keep what it must not be given; what keeps it there."""
    variables = {"env_vars": {"PLANTED": values["env_vars"]}}
    ray.get(ray.remote(parts.where).options(runtime_env=variables).remote())
    carried = values["closure"]
    ray.get(ray.remote(lambda: len(carried)).remote())
    return ray.put(values["object"].encode() * 10_000)


def test_nobody_reads_any_more(ended: Ended) -> None:
    """Neither the driver nor an actor that had a file system all the time."""
    with pytest.raises(errors.NotLeased):
        ended.creds["train-data"].snapshot()
    with pytest.raises((errors.NotLeased, errors.OwnerGone)):
        ray.get(ended.reader.read_anew.remote())


def test_the_issuer_is_called_by_one_owner_on_each_node(ended: Ended) -> None:
    """Once for each generation, however many workers read; and no read failed."""
    generations = [
        max(map(int, re.findall(r"generation (\d+) ", report.leases["train-data"])))
        for report in ended.creds.nodes
    ]
    assert ended.failed == []
    assert max(generations) > 1
    assert ended.calls[LOGIN] == len(generations)
    assert ended.calls[SESSION] == ended.calls[IDENTITY] == sum(generations)


@pytest.mark.parametrize("place", ["files", "key-value store", "memory"])
def test_no_secret_is_where_a_planted_one_is_found(ended: Ended, place: str) -> None:
    """Neither a whole one nor a piece, of any generation, login or identity."""
    found = ended.found[place]
    assert found.secrets == []
    assert found.planted
    assert not found.unread


def test_every_way_of_planting_one_is_found_out(ended: Ended) -> None:
    """So the search would see what Ray is given by mistake."""
    planted = set().union(*(found.planted for found in ended.found.values()))
    assert planted == set(scan.CONTROLS)
