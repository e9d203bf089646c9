"""A leased run on a real Ray cluster: calls, crashes, lost nodes, and a search.

    python benchmarks/ray_run.py [--seconds 30] [--ttl 5] [--only PART ...]

Three nodes on this machine: a head without CPUs, where the driver is, and two that
work. OpenBao and the store are real; credentials live for five seconds.

*reads*: tasks and actors read on both nodes all the time, while Data reads through one
leased file system and Train reports checkpoints through another. Calls to the issuer
are counted where they pass; an owner on each node needs one for each generation.
*hosts*: Tune writes checkpoints, and replicas of Serve answer for twelve seconds.
*crash*: a worker and an owner are killed while an actor reads. *nodes*: one joins with
a task already waiting for it, and is lost again. *search*: after the block has ended,
every secret that passed the wire (of tokens the last 64 characters) is looked for, in
the forms of `residue.py` and in pieces of 12 characters or more: in the files of Ray's
session, in the key-value store, in the memory of the raylets (with the object stores),
of the GCS, the dashboard and the agents, and in what the dashboard tells. Three planted
ones have to be found: in an environment variable, in an object, and in a closure.
*keeper*: how long the store takes what an owner held that was killed, or whose node
was lost; without a keeper, and with one.

In all but the last, the revoker refuses what comes by this way, as it should: a proof
is made for one store, and here another listens in between. Sessions end at their TTL.
"""

from __future__ import annotations

import argparse
import sys

from _ray.run import PARTS, run


def main() -> int:
    """Run and print; 1 if a read failed, or a search says nothing or too much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of reading")
    parser.add_argument("--ttl", type=float, default=5.0, help="of credentials")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    return run(options.only, options.seconds, options.ttl)


if __name__ == "__main__":
    sys.exit(main())
