"""How a process grows: its threads, descriptors and memory, looked at from outside."""

from __future__ import annotations

import statistics
import threading
from dataclasses import dataclass

import psutil

from .records import now

#: Seconds between two looks.
EVERY = 0.5
KIB = 1024


@dataclass(frozen=True)
class Sample:
    """One look.

    Attributes:
        at: when.
        threads: how many.
        descriptors: how many.
        rss: resident memory in KiB.
    """

    at: float
    threads: int
    descriptors: int
    rss: float


class Sampler(threading.Thread):
    """Looks at one process until told to stop, or it is gone."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="sampler", daemon=True)
        self.samples: list[Sample] = []
        self._process = psutil.Process(pid)
        self._told = threading.Event()

    def run(self) -> None:
        """Look."""
        while not self._told.wait(EVERY):
            try:
                self.samples.append(_look(self._process))
            except psutil.NoSuchProcess:
                return

    def stop(self) -> None:
        """End the looking."""
        self._told.set()
        self.join()


def _look(process: psutil.Process) -> Sample:
    with process.oneshot():
        return Sample(
            at=now(),
            threads=process.num_threads(),
            descriptors=process.num_fds(),
            rss=process.memory_info().rss / KIB,
        )


def typical(samples: list[Sample]) -> Sample:
    """The median of each figure: a renewal that is under way has a thread more."""
    return Sample(
        at=samples[-1].at,
        threads=round(statistics.median_low(s.threads for s in samples)),
        descriptors=round(statistics.median_low(s.descriptors for s in samples)),
        rss=statistics.median(s.rss for s in samples),
    )


def highest(samples: list[Sample]) -> Sample:
    """The most of each figure, not all at one time."""
    return Sample(
        at=samples[-1].at,
        threads=max(s.threads for s in samples),
        descriptors=max(s.descriptors for s in samples),
        rss=max(s.rss for s in samples),
    )


def slope(samples: list[Sample]) -> float:
    """By how many KiB a minute the memory grows: least squares."""
    if len(samples) < 3:
        return 0.0
    fit = statistics.linear_regression(
        [s.at / 60 for s in samples], [s.rss for s in samples]
    )
    return fit.slope
