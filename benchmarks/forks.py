"""Forks in the middle of renewals: what the children have, and what they can do.

    python benchmarks/forks.py [--looked-at 1000] [--hard 1000] [--keeper 100]
                               [--revealing 20] [--peer 50]

A program holds three leases of the real OpenBao and store, read by eight threads, two
of which send them over HTTP; a worker asks its broker without a pause. Then it forks,
at a random instant of a renewal of all three (in every fifth, of the login as well).

*Looked at*: renewals until one fork. The observer, another process, stops the child
and searches all of its memory for the newest three of every kind of secret that went
over the wire, in the forms of ``residue.py``: every other child before it has done
anything, the others after they have read a lease through the broker. A text and a piece
of it are planted, and must be found in every child.

*Hard*: renewals, readers and forks as fast as they go; nobody looks, every child must
read a lease. One that says nothing for 10 s hangs.

Beside it, the same in a member of a keeper, which alone talks to issuers; with boto3
as two of the readers, which insists on the session token as a string and copies it:
those copies are the parent's, and every child inherits them; and botocore's own
refreshable credentials, refreshed by the store's STS.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from _forks.run import Outcome, run
from _residue.memory import FAST
from _residue.world import TTL, World

from mlsecrets.devstack import DevStack


def main() -> int:
    """Run and print; 1 if a child hung, failed, had a secret, or was not seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--looked-at", type=int, default=1000, help="forks, of ours")
    parser.add_argument("--hard", type=int, default=1000, help="forks, of ours")
    parser.add_argument("--peer", type=int, default=50, help="forks, of botocore")
    parser.add_argument(
        "--ungated", type=int, default=0, help="forks that nothing of ours holds off"
    )
    parser.add_argument(
        "--keeper", type=int, default=100, help="forks of a keeper's member"
    )
    parser.add_argument(
        "--revealing", type=int, default=20, help="forks, with boto3 as two readers"
    )
    parser.add_argument("--over", nargs="+", choices=TRANSPORTS, default=TRANSPORTS)
    options = parser.parse_args()
    folder = str(FAST) if FAST.is_dir() else None
    print(TITLES)
    good = True
    with (
        tempfile.TemporaryDirectory(prefix="forks-", dir=folder) as private,
        DevStack(ttl=TTL, ops=True) as stack,
    ):
        world = World(stack, Path(private))
        for name, program, mode, count in (
            ("mlsecrets, looked at", "ours", "looked-at", options.looked_at),
            ("mlsecrets, hard", "ours", "hard", options.hard),
            ("mlsecrets, with a keeper", "kept", "looked-at", options.keeper),
            ("mlsecrets, with boto3", "revealing", "looked-at", options.revealing),
            ("without holding forks off", "ungated", "looked-at", options.ungated),
            ("botocore", "botocore", "looked-at", options.peer),
        ):
            for transport in options.over:
                share = -(-count // len(options.over))
                if not share:
                    continue
                begun = time.monotonic()
                tls = transport == "TLS"
                outcome = run(world, program, mode, share, tls=tls)
                print(_row(f"{name}, {transport}", outcome), flush=True)
                _explain(outcome, time.monotonic() - begun)
                good &= program not in {"ours", "kept"} or _is_good(outcome, mode)
    return int(not good)


TRANSPORTS = ("TLS", "HTTP")
TITLES = (
    f"{'':36} {'forks':>6} {'in a renewal':>12} {'hung':>5} {'failed':>6} "
    f"{'looked at':>9} {'blind':>5} {'full':>5} {'pieces':>6} {'threads':>7} "
    f"{'locks':>5} {'first read, ms p50 p99':>22} {'fork, ms p50 p99':>17}"
)


def _row(name: str, outcome: Outcome) -> str:
    return (
        f"{name:36} {outcome.forks:6} {outcome.under_way:12} {outcome.hung:5} "
        f"{outcome.failed:6} {outcome.looked:9} {outcome.blind:5} "
        f"{outcome.with_full:5} {outcome.with_pieces:6} {outcome.left['threads']:7} "
        f"{outcome.left['locks']:5} {_quantiles(outcome.reads):>22} "
        f"{_quantiles(outcome.forked):>17}"
    )


def _quantiles(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return "-"
    cuts = statistics.quantiles(seconds, n=100)
    return f"{cuts[49] * 1000:.1f} {cuts[98] * 1000:.1f}"


def _explain(outcome: Outcome, seconds: float) -> None:
    each = outcome.size / max(outcome.looked, 1) / (1 << 20)
    print(f"    {seconds:.0f} s; {each:.0f} MiB searched in each child", end="")
    print(f"; sockets left open {outcome.left['sockets']}")
    for what, count in Counter(outcome.where).most_common(6):
        print(f"    {count} x {what}")
    if outcome.error:
        print("    " + outcome.error.strip().replace("\n", "\n    "))


def _is_good(outcome: Outcome, mode: str) -> bool:
    if mode == "looked-at" and outcome.looked < outcome.forks:
        return False
    found = (
        outcome.hung,
        outcome.failed,
        outcome.blind,
        outcome.with_full,
        outcome.with_pieces,
        outcome.left["threads"],
        outcome.left["locks"],
    )
    return not any(found) and not outcome.error


if __name__ == "__main__":
    sys.exit(main())
