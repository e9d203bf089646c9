"""The first read after the owner has replaced the credentials, in workers that wait."""

from __future__ import annotations

import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mlsecrets import Lease
from mlsecrets._broker.attach import Attachment

from .crew import start, timed

#: Readers in one worker, each with a cache of its own: more samples of a rotation.
EACH = 10
#: Seconds between two looks at the same one.
PACE = 0.01

_FORK = get_context("fork")


def after_rotation(lease: Lease, workers: int, seconds: float) -> list[float]:
    """Microseconds of each read that came back with a newer generation.

    Nothing is forced: the owner renews when its schedule says so, and all caches fall
    due soon after it, at the same moment.
    """
    path = Path(str(lease.reference.socket))
    pipes, crew = [], []
    for _ in range(workers):
        here, there = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_work, args=(path, lease.scope, seconds, there))
        start(process)
        there.close()
        pipes.append(here)
        crew.append(process)
    times = [one for pipe in pipes for one in pipe.recv()]
    for process in crew:
        process.join()
    return times


def _work(path: Path, scope: str, seconds: float, pipe: Any) -> None:
    sources = [Attachment(path).source(scope) for _ in range(EACH)]
    generations = [source.snapshot().terms.generation for source in sources]
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for index, source in enumerate(sources):
            took = timed(source.snapshot)
            # Cached by now: the same grant, unless it has died in this instant.
            generation = source.snapshot().terms.generation
            if generation != generations[index]:
                generations[index] = generation
                times.append(took)
        time.sleep(PACE)
    pipe.send(times)
