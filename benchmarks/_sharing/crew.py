"""Workers that begin together, and how long each of their reads took."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, TypeAlias

#: Makes, in a worker, what is measured there.
Maker: TypeAlias = Callable[[], Callable[[], object]]

_FORK = get_context("fork")


@dataclass
class Reads:
    """Microseconds that reads took.

    Attributes:
        first: the first of each worker: it connects, and checks who is there.
        later: all others.
    """

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)


def measure(make: Maker, workers: int, calls: int, into: Reads) -> None:
    """Start so many fresh workers, let them read at the same time, and collect.

    Raises:
        RuntimeError: one of them ended without an answer.
    """
    gate = _FORK.Barrier(workers)
    pipes, crew = [], []
    for _ in range(workers):
        here, there = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_work, args=(make, gate, calls, there))
        start(process)
        there.close()
        pipes.append(here)
        crew.append(process)
    for pipe, process in zip(pipes, crew, strict=True):
        try:
            times = pipe.recv()
        except EOFError:
            raise RuntimeError("a worker ended without an answer") from None
        process.join()
        into.first.append(times[0])
        into.later += times[1:]


def start(process: Any) -> None:
    """Start a forked process, with no word on forks beside threads: it is the point."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()


def _work(make: Maker, gate: Any, calls: int, pipe: Any) -> None:
    read = make()
    gate.wait()
    pipe.send([timed(read) for _ in range(calls + 1)])


def timed(read: Callable[[], object]) -> float:
    """Microseconds of one call, some 0.05 for the clock included."""
    begun = time.perf_counter_ns()
    read()
    return (time.perf_counter_ns() - begun) / 1e3


def shown(times: list[float]) -> str:
    """The median and the 99th percentile; of how many, where these are few."""
    if len(times) < 2:
        return "-"
    percent = statistics.quantiles(times, n=100, method="inclusive")
    few = f" ({len(times)})" if len(times) < 1000 else ""
    return f"{_figure(percent[49])} / {_figure(percent[98])}{few}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
