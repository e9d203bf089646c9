"""Runs what the plan says on one stack, some clients at a time."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mlsecrets.devstack import DevStack

from .memory import FAST, Unseen
from .plan import CLIENTS
from .trial import Found, Unproven, run
from .world import TTL, World

#: At a time; a client waits most of its time for the observer, and it for the client.
JOBS = 2


@dataclass
class Cell:
    """All runs of one client over one transport.

    Attributes:
        found: what they showed.
        failed: why others say nothing.
        skipped: why nothing could be seen, if so.
    """

    found: list[Found] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: str | None = None


@dataclass(frozen=True)
class Results:
    """Everything that was found.

    Attributes:
        cells: by client and transport, ``HTTP`` or ``TLS``.
        refusals: what each server answers to a credential that is none.
    """

    cells: Mapping[tuple[str, str], Cell]
    refusals: Mapping[str, int]


def run_all(
    names: Collection[str],
    transports: Collection[str],
    runs: Callable[[str], int],
    *,
    minutes: float,
    dump: bool = True,
) -> Results:
    """Run clients, each in processes of its own.

    Args:
        names: of clients.
        transports: ``HTTP``, ``TLS``.
        runs: how often a client is run.
        minutes: after which no further round begins.
        dump: look with a debugger, if possible.
    """
    cells = {(name, transport): Cell() for name in names for transport in transports}
    mlflow = any(CLIENTS[name].mlflow for name in names)
    folder = str(FAST) if FAST.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="residue-", dir=folder) as private,
        DevStack(ttl=TTL, mlflow=mlflow, ops=True) as stack,
        ThreadPoolExecutor(JOBS) as pool,
    ):
        world = World(stack, Path(private))

        def once(name: str, transport: str) -> None:
            cell = cells[name, transport]
            if cell.skipped is not None:
                return
            try:
                found = run(name, world, tls=transport == "TLS", dump=dump)
                cell.found.append(found)
            except Unseen as reason:
                cell.skipped = str(reason)
            except Unproven as reason:
                cell.failed.append(str(reason))
                print(reason, file=sys.stderr)

        # Round by round, so that what a cell shows was not all seen at one time.
        rounds = max(map(runs, names))
        end = time.monotonic() + minutes * 60
        for number in range(rounds):
            if time.monotonic() > end:
                break
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            due = [key for key in cells if number < runs(key[0])]
            for done in [pool.submit(once, *key) for key in due]:
                done.result()
        return Results(cells, world.refusals())
