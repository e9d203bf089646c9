"""The simulation: a heap of instants, and the node whose turn it is."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .node import Node


@dataclass
class History:
    """What became of a fleet.

    Attributes:
        calls: when the issuer was called, granted or not.
        gaps: a node's number, and from when to when it held nothing valid.
    """

    calls: array[float]
    gaps: list[tuple[int, float, float]] = field(default_factory=list)


def run(
    make: Callable[[int], Node],
    starts: Sequence[float],
    calls: array[float],
    *,
    until: float,
) -> History:
    """Let the nodes act, one after another in order of time.

    Args:
        make: makes a node by its number.
        starts: seconds at which each begins.
        calls: where the issuer notes its calls.
        until: seconds at which to stop.
    """
    nodes = [make(number) for number in range(len(starts))]
    heap = [(start, number) for number, start in enumerate(starts)]
    heapq.heapify(heap)
    history = History(calls)
    while heap[0][0] < until:
        now, number = heap[0]
        node = nodes[number]
        ended, before = node.valid_until, node.renewed_at
        due = node.act(now)
        if node.renewed_at != before and float("-inf") < ended < now:
            history.gaps.append((number, ended, now))
        heapq.heapreplace(heap, (max(due, now), number))
    for number, node in enumerate(nodes):
        if float("-inf") < node.valid_until < until:
            history.gaps.append((number, node.valid_until, until))
    return history
