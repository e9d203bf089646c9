"""How fast memory is searched, by what is in it and by how closely it is looked at.

In processor time, which a busy machine lengthens less.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack

import numpy as np

from mlsecrets.sweep._forms import Layout
from mlsecrets.sweep._fragments import PHASES, FragmentSearch
from mlsecrets.sweep._target import Target

from .secrets import fresh

_SIZE = 1 << 28  # bytes


def contents() -> dict[str, np.ndarray]:
    """Memory of several kinds."""
    made = np.random.default_rng(1)
    words = [b"%x " % n for n in made.integers(0, 1 << 20, 4096)]
    text = json.dumps({str(n): n / 7 for n in range(5000)}).encode() + b"".join(words)
    return {
        "random": np.frombuffer(made.bytes(_SIZE), np.uint8),
        "float32": made.standard_normal(_SIZE // 4, np.float32),
        "zeros": np.full(_SIZE, 0, np.uint8),
        "text": np.resize(np.frombuffer(text, np.uint8), _SIZE),
        "tokens": made.integers(32, 127, _SIZE // 4, np.int32),
    }


def speeds(rounds: int) -> dict[str, list[list[float]]]:
    """GB a second by kind: of words at every eighth byte, of those at every fourth."""
    with ExitStack() as stack:
        values = [stack.enter_context(fresh(size).reading()) for size in (40, 356)]
        layout = Layout(values, stack)
        target = Target(os.getpid())
        searches = [
            FragmentSearch(layout, target, stack, phases)
            for phases in (PHASES[:1], PHASES)
        ]
        return {
            kind: [
                [_speed(search, memory) for _ in range(rounds)] for search in searches
            ]
            for kind, memory in contents().items()
        }


def _speed(search: FragmentSearch, memory: np.ndarray) -> float:
    start = memory.__array_interface__["data"][0]
    begun = time.process_time()
    found = list(search.runs(start, start + memory.nbytes))
    took = time.process_time() - begun
    if found:
        raise RuntimeError("found what is not there")
    return memory.nbytes / took / 1e9
