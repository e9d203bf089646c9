"""Threads that read a lease without a pause, as data loaders do."""

from __future__ import annotations

import threading
import time

from mlsecrets import Lease
from mlsecrets.errors import MLSecretsError

#: Real seconds between two reads of a thread, which leave the processor to others.
PAUSE = 0.002


class Readers:
    """Reads in threads of its own, and counts; ends with its block.

    Attributes:
        reads: how often the lease was read.
        failed: what was raised instead.
        generations: which ones were read.
        slowest: real seconds that the longest read took.
    """

    def __init__(self, creds: Lease, threads: int = 2) -> None:
        self.reads = 0
        self.failed: list[MLSecretsError] = []
        self.generations: set[int] = set()
        self.slowest = 0.0
        self._creds = creds
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(threads)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        while not self._stop.is_set():
            started = time.perf_counter()
            try:
                grant = self._creds.snapshot()
                self.generations.add(grant.terms.generation)
            except MLSecretsError as error:
                self.failed.append(error)
            self.slowest = max(self.slowest, time.perf_counter() - started)
            self.reads += 1
            self._stop.wait(PAUSE)
