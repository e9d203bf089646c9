"""Waiting for what the driver is to notice."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlsecrets_ray import ClusterLeases, NodeReport


def until(
    creds: ClusterLeases, node: str, wanted: Callable[[NodeReport], bool]
) -> NodeReport:
    """The report on a node, once it is as wanted.

    Raises:
        TimeoutError: that took more than a minute.
    """
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for report in creds.nodes:
            if report.node == node and wanted(report):
                return report
        time.sleep(0.05)
    raise TimeoutError(f"not within a minute: {creds.nodes}")
