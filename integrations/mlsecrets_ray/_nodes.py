"""The cluster's nodes, as far as we need to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """One node that is alive.

    Attributes:
        id: Ray's id of it.
        address: its IP address in the cluster.
        hostname: of its machine.
        resources: the names of what it offers, its own custom ones among them.
        labels: what it was labelled with.
    """

    id: str
    address: str
    hostname: str = ""
    resources: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.address} ({self.id[:8]})"


def nodes_alive() -> dict[str, Node]:
    """All nodes of the cluster that are alive, by their ids."""
    import ray

    return {
        found["NodeID"]: Node(
            found["NodeID"],
            found["NodeManagerAddress"],
            found["NodeManagerHostname"],
            frozenset(found["Resources"]),
            dict(found.get("Labels") or {}),
        )
        for found in ray.nodes()
        if found["Alive"]
    }
