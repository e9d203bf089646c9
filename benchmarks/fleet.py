"""What a fleet of nodes does to its issuer: at its start, for hours, and in an outage.

    python benchmarks/fleet.py [--quick] [--markdown | --json]

Up to 10 000 nodes, each the owner of one credential, on a clock that jumps from one
call to the next. Ours are the leases that sessions hold (`LiveGrant`), whose rules are
those of `mlsecrets/_schedule.py` and `_setbacks.py`; the others are written from their
sources in ``_fleet/peers.py``. The issuer answers at once and refuses at once, so what
is compared is when it is called, and how often.

Calls are counted in parts of a thirtieth of a lifetime, about 500 calls for 10 000
nodes (a sixth for fewer nodes), and of 10 s around an outage. *chance* is the peak over
mean that as many calls at random instants would have in the median: nobody can be
expected to be below.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict

from _fleet.node import Kind
from _fleet.table import calm_table, outage_table
from _fleet.trial import BOTOCORE, OURS, RULES, Calm, Outage, Trial, calm, outage

STS_15M, STS_1H = Kind(900.0), Kind(3600.0)
BAO_15M = Kind(900.0, max_ttl=7200.0)
#: The issuer's own maximum, which it does not tell: logins, and leases by their role.
SECRET_15M = Kind(900.0, max_ttl=7200.0, told=False)


def calms(nodes: list[int]) -> list[Trial]:
    """Fleets that nothing befalls."""
    few = [
        Trial(rule, count, kind)
        for count in nodes
        if count <= 100
        for kind in (STS_15M, BAO_15M)
        for rule in RULES
    ]
    many = [
        Trial(rule, count, kind, start)
        for count in nodes
        if count > 100
        for kind, start in ((STS_15M, 0), (STS_15M, 60), (STS_1H, 0), (BAO_15M, 0))
        for rule in _affordable(kind)
    ]
    last = [Trial(OURS, count, SECRET_15M) for count in nodes if count > 100]
    return few + many + last


def outages(nodes: int) -> list[Trial]:
    """Fleets whose issuer goes away, and comes back with or without a limit."""
    return [
        Trial(rule, nodes, kind, start=kind.lifetime, limit=limit)
        for kind, limit in ((STS_15M, 2), (STS_15M, 0), (STS_1H, 2))
        for rule in _affordable(kind)
    ]


def _affordable(kind: Kind) -> list[str]:
    """Without botocore where each of its reads calls: millions in an hour."""
    within = kind.lifetime <= 900.0
    return [rule for rule in RULES if not (rule == BOTOCORE and within)]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1000 nodes, one case")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="for the documentation")
    form.add_argument(
        "--json", action="store_true", help="every number, a line a fleet"
    )
    options = parser.parse_args()
    if options.quick:
        quiet = [Trial(rule, 1000, STS_15M) for rule in _affordable(STS_15M)]
        away = [Trial(OURS, 1000, STS_15M, start=900.0, limit=2.0)]
    else:
        quiet, away = calms([1, 100, 10_000]), outages(10_000)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        # The dearest first, so that no core is left with one at the end.
        lost, found = pool.map(outage, away), pool.map(calm, quiet)
        if options.json:
            _stream(away, lost)
            _stream(quiet, found)
            return
        print(calm_table(quiet, [*found], markdown=options.markdown))
        print()
        print(outage_table(away, [*lost], markdown=options.markdown))


def _stream(trials: list[Trial], results: Iterator[Calm | Outage]) -> None:
    """A line for each, as soon as it is there."""
    for trial, result in zip(trials, results, strict=True):
        row = {"trial": asdict(trial), "found": asdict(result)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
