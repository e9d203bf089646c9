"""What ranks with workers cost the issuer, beside one process, and each for itself.

    python benchmarks/ranks.py [--seconds 120] [--ranks 2] [--workers 8] [--quick]

Every process reads an object of the real store ten times a second, on credentials that
live five seconds. What is counted at the issuers is counted once all processes read,
and until they are told to stop: logins and ends are not in it. In the last run, the
rank that owns the leases is killed at half time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from mlsecrets.storage.boto3 import LeaseBoto3Session

TTL = 5
PAUSE = 0.1
KEY = "digits/ranks.bin"
#: Seconds in which all processes start.
PATIENCE = 300.0


@dataclass(frozen=True)
class Case:
    """One way to run ranks and workers.

    Attributes:
        name: for the table.
        ranks: how many.
        workers: of each.
        alone: each process leases for itself.
        kill: kill the owner at half time.
    """

    name: str
    ranks: int
    workers: int
    alone: bool = False
    kill: bool = False


@dataclass(frozen=True)
class Figures:
    """What came of one."""

    sts: int
    openbao: int
    reads: float
    failures: list[str]
    processes: int
    takeover: float | None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="12 seconds, 2 workers")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        folder, workers, alone = arguments.child
        rank(Path(folder), int(workers), alone=alone == "alone")
        return
    if arguments.quick:
        arguments.seconds, arguments.workers = 12.0, 2
    size = arguments.ranks, arguments.workers
    cases = [
        Case("one process, no workers", 1, 0),
        Case("one owner for all", *size),
        Case("each process for itself", *size, alone=True),
        Case("one owner, killed at half time", *size, kill=True),
    ]
    with DevStack(ttl=TTL) as stack:
        store = stack.admin_s3()
        store.put_object(Bucket="datasets", Key=KEY, Body=b"x" * 4096)
        store.close()
        found = {case: measure(case, stack, arguments.seconds) for case in cases}
    report(found, arguments.seconds)


def measure(case: Case, stack: DevStack, seconds: float) -> Figures:
    """Run one case."""
    count = case.ranks * (1 + case.workers)
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="mls-", dir="/tmp") as name:
        folder = Path(name)
        started = [start(case, stack, folder, number) for number in range(case.ranks)]
        try:
            wait_for(folder, "*.ready", count)
            before, begun = counts(stack), time.time()
            killed = None
            if case.kill:
                time.sleep(seconds / 2)
                killed = time.time()
                os.kill(owner(folder), signal.SIGKILL)
            time.sleep(max(0.0, begun + seconds - time.time()))
            after = counts(stack)
        finally:
            (folder / "stop").touch()
            for process in started:
                process.wait(PATIENCE)
        wait_for(folder, "*.json", count - case.kill)
        told = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        owned = [event["at"] for event in events(folder) if event["event"] == "owned"]
    return Figures(
        sts=after[0] - before[0],
        openbao=after[1] - before[1],
        reads=sum(process["reads"] / process["seconds"] for process in told),
        failures=[failure for process in told for failure in process["failures"]],
        processes=count,
        takeover=None if killed is None else min(owned) - killed,
    )


def start(
    case: Case, stack: DevStack, folder: Path, number: int
) -> subprocess.Popen[bytes]:
    """Start a rank, which starts its workers."""
    how = "alone" if case.alone else "shared"
    environment: Mapping[str, str] = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(folder),
        "MLSECRETS_CONFIG": str(stack.manifest_path),
        "MLSECRETS_JOURNAL": str(folder / "journal"),
        "RANK": str(number),
        **({} if case.alone else {"MLSECRETS_JOB": "benchmark"}),
    }
    command = [sys.executable, __file__, "--child", str(folder), str(case.workers), how]
    return subprocess.Popen(command, env=environment)


def rank(folder: Path, workers: int, *, alone: bool) -> None:
    """A rank: leases, starts workers, and reads as they do."""
    if alone:
        # Before there is a lease: none of them has anybody else's to read.
        forked = fork(folder, workers, alone=True)
        with lease("train-data"):
            read(folder)
        wait(forked)
    else:
        with lease("train-data"):
            forked = fork(folder, workers, alone=False)
            read(folder)
            wait(forked)


def fork(folder: Path, workers: int, *, alone: bool) -> list[int]:
    """Start workers; each reads what its parent leases, or leases for itself."""
    forked = []
    for _ in range(workers):
        pid = os.fork()
        if pid == 0:
            try:
                with lease("train-data") if alone else nullcontext():
                    read(folder)
            finally:
                os._exit(0)
        forked.append(pid)
    return forked


def wait(forked: list[int]) -> None:
    """Wait for workers to end."""
    for pid in forked:
        os.waitpid(pid, 0)


def read(folder: Path) -> None:
    """Read until it is time to stop; write down how it went."""
    client = LeaseBoto3Session("train-data").client("s3")
    reads, failures, begun = 0, [], time.monotonic()
    while not (folder / "stop").exists():
        try:
            client.get_object(Bucket="datasets", Key=KEY)["Body"].read()
        except Exception as error:  # noqa: BLE001  all of them are counted
            failures.append(repr(error))
        if reads == 0:
            (folder / f"{os.getpid()}.ready").touch()
        reads += 1
        time.sleep(PAUSE)
    told = {
        "reads": reads,
        "seconds": time.monotonic() - begun,
        "failures": failures,
    }
    part = folder / f"{os.getpid()}.part"
    part.write_text(json.dumps(told))
    part.rename(folder / f"{os.getpid()}.json")


def counts(stack: DevStack) -> tuple[int, int]:
    """Credentials that the store's STS has given, and requests to OpenBao."""
    metrics = stack.store.metrics()
    given = sum(n for key, n in metrics.items() if "STS-Fallback" in key)
    # A line for the request, and one for its response.
    return given, stack.openbao.audit_log.read_text().count("\n") // 2


def owner(folder: Path) -> int:
    """The process that asks the issuers."""
    issued = [e for e in events(folder) if e["event"] in {"issued", "replaced"}]
    return int(issued[-1]["pid"])


def events(folder: Path) -> list[dict[str, Any]]:
    """The journal of all."""
    return [json.loads(line) for line in (folder / "journal").read_text().splitlines()]


def wait_for(folder: Path, pattern: str, count: int) -> None:
    """Wait until there are so many files."""
    until = time.monotonic() + PATIENCE
    while (found := len(list(folder.glob(pattern)))) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"{found} of {count} processes are there ({pattern})")
        time.sleep(0.05)


def report(found: Mapping[Case, Figures], seconds: float) -> None:
    """Print the table, and what failed."""
    one = next(iter(found.values()))
    print(f"credentials of {TTL} s, for {seconds:g} s")
    for case, figures in found.items():
        line = (
            f"  {case.name:<32} {figures.processes:3} processes, "
            f"STS {figures.sts:4} (x {figures.sts / one.sts:5.2f}), "
            f"OpenBao {figures.openbao:4} (x {figures.openbao / one.openbao:5.2f}), "
            f"{figures.reads:6.1f} reads/s, {len(figures.failures)} failed"
        )
        if figures.takeover is not None:
            line += f", taken over in {figures.takeover * 1000:.0f} ms"
        print(line)
        for failure in sorted(set(figures.failures)):
            print(f"    {failure}")


if __name__ == "__main__":
    main()
