"""What is known of each node's owner, while it serves and afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NodeReport:
    """One node's leases, in words and without a secret.

    Attributes:
        node: Ray's id of it.
        address: its IP address in the cluster.
        pid: the owner's process; 0 while there is none.
        restarts: how many times the owner was started again after its process died.
        leases: each scope's report, once it has ended.
        problem: why there is no owner or no report; None if all is well.
    """

    node: str
    address: str
    pid: int = 0
    restarts: int = 0
    leases: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.address} ({self.node[:8]}): {self.problem or 'all is well'}"]
        lines += [
            f"  {line}" for text in self.leases.values() for line in text.split("\n")
        ]
        return "\n".join(lines)
