"""What clients do around the refresh of a credential, each in the same experiments.

    python benchmarks/renewal.py [--rounds 3] [--markdown] [--only NAME ...]

The clients are used as their users have them; what differs is the issuer, which counts
its calls, takes its time, and is down when told to. Time is moved, not waited for:
every client but obstore reads a clock that the experiment holds. obstore's clock cannot
be moved, so it is given credentials that end so many real seconds from now, a fresh
store for each move of time, and reads 20 ms apart where the others read at one instant.

hvac renews nothing by itself; what the loop around it does is said in
``_renewal/clients/vault_loop.py``. In `ceiling` the issuer is a real OpenBao. A cell
gives what the row names, in its order; two numbers are the smallest and the largest of
all rounds. When ours first refreshes, in the first ten of 15 minutes, depends on this
host's name: its jitter.
"""

from __future__ import annotations

import argparse
import json

from _renewal.plan import EXPERIMENTS, installed
from _renewal.run import run
from _renewal.table import markdown, plain, versions


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [experiment.name for experiment in EXPERIMENTS]
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    here = installed()
    parser.add_argument("--clients", nargs="+", choices=here, default=here)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="for the documentation")
    form.add_argument("--json", action="store_true", help="every number of every round")
    options = parser.parse_args()
    results = run(options.only, options.clients, options.rounds)
    if options.json:
        listed = [
            {"experiment": name, "client": client, "found": found}
            for (name, client), found in results.items()
        ]
        print(json.dumps(listed))
        return
    print(f"{versions(options.clients)}; {options.rounds} rounds")
    show = markdown if options.markdown else plain
    print(show(results, options.clients))


if __name__ == "__main__":
    main()
