"""Measuring side by side: rounds in which each candidate takes its turn.

A busy machine slows the candidates of a round alike, so what is compared is the ratio
within each round: its median, and the middle half.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def rounds(
    candidates: Mapping[str, Callable[[], float]], count: int
) -> dict[str, list[float]]:
    """Run every candidate once a round, the order turning; what each returned."""
    names = list(candidates)
    found: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        candidates[name]()  # not counted: imports, connections, caches
    for turn in range(count):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            found[name].append(candidates[name]())
    return found


def per_call(function: Callable[[], object], calls: int) -> float:
    """Seconds that one call takes, over a loop of them."""
    begun = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - begun) / calls


def once(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def spread(values: list[float], scale: float = 1.0) -> str:
    """Median and middle half, such as ``1.21 (1.18 to 1.30)``."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle * scale:9.3g} ({low * scale:.3g} to {high * scale:.3g})"


def report(
    found: Mapping[str, list[float]], *, against: str, unit: str, scale: float
) -> None:
    """Print a line for each candidate: its figure, and its ratio to one of them."""
    width = max(map(len, found))
    for name, values in found.items():
        ratios = [
            mine / base for mine, base in zip(values, found[against], strict=True)
        ]
        print(
            f"  {name:<{width}} {spread(values, scale)} {unit}   "
            f"x {spread(ratios).strip()} of {against}"
        )
