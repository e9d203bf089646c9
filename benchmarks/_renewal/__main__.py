"""Runs experiments on one client in this process, a line of JSON for each.

python -m _renewal CLIENT ROUNDS EXPERIMENT...
"""

from __future__ import annotations

import json
import logging
import sys

from .plan import EXPERIMENTS


def main() -> None:
    """Run them one after another; what is found is printed at once."""
    client, rounds, *names = sys.argv[1:]
    logging.disable(logging.CRITICAL)  # clients report every failure that is made here
    for experiment in EXPERIMENTS:
        if experiment.name in names:
            count = min(int(rounds), experiment.rounds.get(client, int(rounds)))
            found = [experiment.run(client) for _ in range(count)]
            print(json.dumps({experiment.name: found}), flush=True)


if __name__ == "__main__":
    main()
