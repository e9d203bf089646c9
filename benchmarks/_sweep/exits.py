"""A program under load that gives back leases of readers, one after the other.

python -m _sweep.exits SERVER COUNT CROWD

A line of JSON for each, and one at the end.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from mlsecrets.sweep import sweep

from .load import Load
from .readers import READERS, use
from .secrets import fresh


def main() -> None:
    """Run it."""
    server, count, crowd = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    names = list(READERS)
    with Load(server, crowd) as load:
        for number in range(count):
            name = names[number % len(names)]
            key, token = fresh(40), fresh(356)
            use(name, server, key, token)
            before = load.rounds
            report = sweep([key, token])
            told = {
                "reader": name,
                "rounds": load.rounds - before,
                **asdict(report),
            }
            print(json.dumps(told), flush=True)
            key.buffer.close()
            token.buffer.close()
    print(json.dumps({"wrong": load.wrong, "rounds": load.rounds}), flush=True)


if __name__ == "__main__":
    main()
