"""What sweeping a process costs, and whether the process takes harm.

    python benchmarks/sweep.py [--exits 200] [--gigabytes 4] [--threads 1 16 64 256]

*Exits*: programs in which threads allocate, compute, serialise, talk over sockets and
present a live token, while one reader after the other (hvac, boto3, s3fs, obstore) is
shown fresh secrets, used, closed and swept. The threads check all that they do, the
server that the readers sent what they were shown. *Threads*: the same among many more
of them. *Large*: arrays of random bytes, floats and zeros, a third each. *Search*: how
fast memory is searched, in this process; looking at every fourth byte instead of every
eighth is what pieces of 12 to 14 bytes cost.

Seconds are of this machine as busy as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _sweep.server import serving
from _sweep.words import speeds

#: Exits in one process.
RUN = 50
Told = dict[str, Any]


def main() -> int:
    """Run and print; 1 if a program took harm."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--exits", type=int, default=200)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--looks", type=int, default=5, help="at the large process")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 16, 64, 256])
    options = parser.parse_args()
    crashed = 0
    with serving() as server:
        print(f"exits under load, {RUN} in each process")
        exits: list[Told] = []
        for number in range(0, options.exits, RUN):
            count = min(RUN, options.exits - number)
            crashed += watch("exits", server, str(count), "0", into=exits)
        for reader in dict.fromkeys(told["reader"] for told in exits):
            row(reader, [told for told in exits if told["reader"] == reader])
        row("all", exits)
        print("\nexits among threads, 20 each")
        for crowd in options.threads:
            found: list[Told] = []
            crashed += watch("exits", server, "20", str(crowd), into=found)
            row(f"{crowd} more threads", found)
    if options.gigabytes:
        print(f"\n{options.gigabytes:g} GB resident")
        large: list[Told] = []
        crashed += watch("big", str(options.gigabytes), str(options.looks), into=large)
        row("arrays", large)
    print(
        "\nsearch, GB a processor second: words at every eighth byte, at every fourth"
    )
    for kind, (eighth, fourth) in speeds(options.looks).items():
        print(f"  {kind:<10} {of(eighth, 1, 2):>20} {of(fourth, 1, 2):>20}")
    print(f"\n{crashed} programs took harm; load {os.getloadavg()[0]:.1f}")
    return crashed > 0


def watch(module: str, *arguments: str, into: list[Told]) -> int:
    """Run a program and gather what it tells; 1 if it took harm."""
    lines = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", f"_sweep.{module}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    told = list(_told(lines))
    harm = lines.wait() != 0
    for line in told:
        if "wrong" not in line:
            into.append(line)
        elif line["wrong"]:
            print(f"  went wrong: {line['wrong'][:5]}")
            harm = True
    if lines.returncode:
        print(f"  ended with {lines.returncode} after {len(told)} exits")
    return int(harm)


def _told(process: subprocess.Popen[str]) -> Iterator[Told]:
    for line in process.stdout or ():
        yield json.loads(line)


def row(name: str, told: Sequence[Told]) -> None:
    """A line of figures: median (smallest to largest)."""
    if not told:
        return
    clean = sum(one["left"] == 0 and one["refused"] is None for one in told)
    print(f"  {name}: {len(told)} sweeps, {clean} left nothing")
    for label, key, scale, unit, digits in (
        ("full copies", "copies", 1, "", 0),
        ("fragments", "fragments", 1, "", 0),
        ("left", "left", 1, "", 0),
        ("in registers", "registers", 1, "", 0),
        ("passes", "passes", 1, "", 0),
        ("threads", "threads", 1, "", 0),
        ("megabytes", "scanned_bytes", 1e-6, "MB", 0),
        ("longest stop", "longest_freeze", 1e3, "ms", 2),
        ("all stops", "frozen_seconds", 1e3, "ms", 2),
        ("in total", "seconds", 1, "s", 2),
    ):
        figures = of([one[key] for one in told], scale, digits)
        print(f"    {label:<14} {figures} {unit}".rstrip())
    for refused in {one["refused"] for one in told} - {None}:
        print(f"    refused: {refused}")


def of(values: Sequence[float], scale: float, digits: int) -> str:
    """Median, and smallest to largest."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return " ".join(
        (
            f"{middle * scale:.{digits}f}",
            f"({low * scale:.{digits}f} to {high * scale:.{digits}f})",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
