"""One client in this process, looked at from outside whenever it pauses.

python -m _residue CLIENT

The first line it is given holds what the observer must find besides, each time. It
writes a line at each pause, the second of which holds a lease's own report.
"""

from __future__ import annotations

import gc
import json
import os
import sys

# Before anything else: an import frees much memory, and what comes later would be
# overwritten by it.
import numpy  # noqa: F401  see above

from .plan import CLIENTS
from .world import Place


def main() -> None:
    """Run it."""
    place = Place(**json.loads(os.environ["RESIDUE_PLACE"]))
    line = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no line of ours

    def pause(told: object = None) -> None:
        os.write(line, json.dumps(told).encode() + b"\n")
        # Not by sys.stdin, whose buffer would be one more place to look at.
        if os.read(0, 1) != b"\n":
            raise SystemExit("the observer is gone")

    planted = sys.stdin.readline().strip()
    piece = planted[4:24].encode()
    told = CLIENTS[sys.argv[1]].function()(place, pause)
    gc.collect()
    pause(told)
    del planted, piece


if __name__ == "__main__":
    main()
