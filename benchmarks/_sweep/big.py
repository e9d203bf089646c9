"""A program with gigabytes of arrays, which is swept a few times.

python -m _sweep.big GIGABYTES LOOKS
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np

from mlsecrets.sweep import sweep

from .secrets import fresh

_PART = 1 << 26  # bytes made at a time


def main() -> None:
    """Fill memory: a third random bytes, a third floats, a third zeros. Then sweep."""
    gigabytes, looks = float(sys.argv[1]), int(sys.argv[2])
    parts = int(gigabytes * 1e9 / 3 / _PART)
    made = np.random.default_rng(1)
    held = [np.frombuffer(made.bytes(_PART), np.uint8) for _ in range(parts)]
    floats = [made.standard_normal(_PART // 4, np.float32) for _ in range(parts)]
    zeros = [np.full(_PART, 0, np.uint8) for _ in range(parts)]
    for _ in range(looks):
        key, token = fresh(40), fresh(356)
        strings = [key.text(), token.text(), token.text().encode()]
        report = sweep([key, token], timeout=300)
        print(json.dumps(asdict(report)), flush=True)
        del strings
    del held, floats, zeros


if __name__ == "__main__":
    main()
