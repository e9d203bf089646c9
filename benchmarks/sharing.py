"""What workers pay for reading the lease of another process; beside other ways.

    python benchmarks/sharing.py [--quick]

Under four minutes; `--quick` is one, and for looking whether it runs.

The first table: one read, alone and with others at the same time. All workers are fresh
processes, so each has a first read that connects; ours checks the socket's folder and
who is at the other end. A manager's dictionary and HTTP are read each time, for they
tell nobody when to ask again; botocore's credentials are each process's own.

The second: objects of 4 KiB that a DataLoader's two workers read in a second from the
real store, while the lease lives five seconds. A static session is one of the lease's
own, as strings: the same work for the store.
"""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import dataclass

from _pairs import rounds
from _sharing.crew import Reads, measure, shown
from _sharing.readers import others, ours
from _sharing.rotation import after_rotation

from mlsecrets import Lease, configure, lease
from mlsecrets.devstack import DevStack

#: Seconds that the lease lives.
TTL = 5


@dataclass(frozen=True)
class Plan:
    """How often what is done.

    Attributes:
        crews: how many workers at once, and how many such crews.
        calls: reads of each worker after its first.
        rotating: seconds that rotations are waited for, for each size of crew.
        epochs: of each kind of credentials.
    """

    crews: dict[int, int]
    calls: int
    rotating: float
    epochs: int


FULL = Plan({1: 60, 4: 20, 16: 6}, 300, 12.0, 20)
QUICK = Plan({1: 5, 4: 2, 16: 1}, 100, 6.0, 3)


def latencies(data: Lease, plan: Plan) -> None:
    """Measure single reads, and print."""
    with others() as theirs:
        makers = {**ours(data), **theirs}
        found = {name: {size: Reads() for size in plan.crews} for name in makers}
        for size, crews in plan.crews.items():
            for _ in range(crews):
                for name, make in makers.items():
                    measure(make, size, plan.calls, found[name][size])
    rotated = {n: after_rotation(data, n, plan.rotating) for n in plan.crews}
    print("one read, microseconds, median / 99th percentile; workers at once:")
    print(f"  {'':<30}" + "".join(f"{size:>26}" for size in plan.crews))
    for name, by_size in found.items():
        _row(name, [shown(reads.later) for reads in by_size.values()])
    print("the first one of a fresh worker:")
    for name, by_size in found.items():
        _row(name, [shown(reads.first) for reads in by_size.values()])
    print("the first one after the owner replaced the credentials:")
    _row("lease, cached", [shown(times) for times in rotated.values()])


def loading(stack: DevStack, data: Lease, plan: Plan) -> None:
    """Measure epochs in turn, and print."""
    from _sharing.loading import Loading  # loads PyTorch, which forks would copy

    ways = Loading(stack, data)
    found = rounds(
        {
            "static key": ways.static_key,
            "static session": ways.static_session,
            "leased": ways.leased,
        },
        plan.epochs,
    )
    print("objects of 4 KiB a second, 2 workers of a DataLoader; median (10 to 90 %):")
    for name, speeds in found.items():
        _row(name, [_middle(speeds)])
    for base in ("static key", "static session"):
        pairs = zip(found["leased"], found[base], strict=True)
        _row(f"leased / {base}", [_middle([mine / other for mine, other in pairs])])
    print(
        f"in the leased epochs the owner replaced the credentials {ways.replaced} "
        f"times; the issuer counted {ways.calls} calls"
    )


def _row(name: str, cells: list[str]) -> None:
    print(f"  {name:<30}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


def _middle(values: list[float]) -> str:
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    middle = statistics.median(values)
    return f"{middle:.3g} ({tenths[0]:.3g} to {tenths[-1]:.3g})"


def _load() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    plan = QUICK if parser.parse_args().quick else FULL
    print(f"{os.cpu_count()} processors; load (1, 5, 15 min) {_load()}")
    with DevStack(ttl=TTL) as stack:
        configure(stack.manifest_path, sweep="never")
        with lease("train-data") as data:
            latencies(data, plan)
            loading(stack, data, plan)
    print(f"load at the end {_load()}")


if __name__ == "__main__":
    main()
