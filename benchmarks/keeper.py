"""What a keeper costs, and what it is worth, beside leases owned by a thread.

    python benchmarks/keeper.py [--rounds 20] [--kills 20]

*Costs*: blocks and reads of the same program, whose leases are owned by a thread of
it, or by a keeper. A first block starts the keeper; a further one finds it lingering.
The read after a rotation is the one that notices it: by the slot that was swapped, or
by a question to the keeper.

*Worth*: a trainer is killed (SIGKILL), and a copy of its credentials is used until the
store refuses it; timed to the end of the refusal. Then the owners themselves are
killed: the keeper, until the leases have moved to the next one, while a thread reads
without a pause; and a rank that owns its job's leases, until another rank does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import boto3
from _pairs import once, per_call, report, rounds
from botocore.config import Config
from botocore.exceptions import ClientError

from mlsecrets import _rendezvous, configure, lease
from mlsecrets._tenant import tenant
from mlsecrets.devstack import DevStack

Kind = Literal["thread", "process"]
KINDS: tuple[Kind, ...] = ("thread", "process")
#: Seconds that credentials live in the rounds that kill: longer than a run takes.
TTL = 30
CALLS = 20_000

PROGRAM = """
import json, sys
from mlsecrets import configure, lease
manifest, keeper, journal = sys.argv[1:]
configure(manifest, keeper=keeper, journal=journal, sweep="never")
with lease("train-data") as data:
    held = data.snapshot().credentials
    print(json.dumps([held.public["access_key_id"], held.reveal("secret_access_key"),
                      held.reveal("session_token")]), flush=True)
    sys.stdin.read()
"""


def main() -> int:
    """Measure and print; 1 if a read failed, or a revocation took a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    # Short, because the store's policies name what was revoked until it has expired.
    with DevStack(ttl=TTL) as stack:
        costs(stack, options.rounds)
    with DevStack(ttl=TTL) as stack, tempfile.TemporaryDirectory() as folder:
        return worth(stack, Path(folder), options.kills)


# -- what it costs -------------------------------------------------------------------


def costs(stack: DevStack, count: int) -> None:
    """Time blocks and reads of either kind, round by round."""
    manifest = stack.manifest_path
    figures: dict[str, Callable[[Kind], float]] = {
        "first block": lambda kind: first_block(manifest, kind),
        "further block": lambda kind: further_block(manifest, kind),
        "leaving it": lambda kind: leaving(manifest, kind),
        "a read": lambda kind: reading(manifest, kind),
        "a read after a rotation": lambda kind: reading_anew(manifest, kind),
    }
    units = {"a read": ("us", 1e6), "a read after a rotation": ("us", 1e6)}
    print(f"what it costs; {count} rounds")
    for name, figure in figures.items():
        unit, scale = units.get(name, ("ms", 1e3))
        print(f" {name}")
        found = rounds({kind: partial(figure, kind) for kind in KINDS}, count)
        report(found, against="thread", unit=unit, scale=scale)
    with leased(manifest, "process"):
        rss, own = memory_of(keeper())
    print(f" memory of a keeper: {rss:.0f} MB resident, of it {own:.0f} MB its own")


@contextmanager
def leased(manifest: Path, kind: Kind, *, anew: bool = False) -> Iterator[Any]:
    """A lease; `anew` as in a new process, which knows of no keeper."""
    configure(manifest, keeper=kind, sweep="never")
    if anew:
        _rendezvous._last = None  # noqa: SLF001
    with lease("train-data") as data:
        yield data


def first_block(manifest: Path, kind: Kind) -> float:
    """Seconds until the body of a process's first block begins."""
    begun = time.perf_counter()
    with leased(manifest, kind, anew=True):
        return time.perf_counter() - begun


def further_block(manifest: Path, kind: Kind) -> float:
    """Seconds until the body of a block begins that follows another."""
    with leased(manifest, kind):
        pass
    begun = time.perf_counter()
    with leased(manifest, kind):
        return time.perf_counter() - begun


def leaving(manifest: Path, kind: Kind) -> float:
    """Seconds that the end of a block takes: credentials and login are revoked."""
    with leased(manifest, kind):
        begun = time.perf_counter()
    return time.perf_counter() - begun


def reading(manifest: Path, kind: Kind) -> float:
    """Seconds that a read takes."""
    with leased(manifest, kind) as data:
        return per_call(data.snapshot, CALLS)


def reading_anew(manifest: Path, kind: Kind) -> float:
    """Seconds that a read takes which asks the owner, or sees what it has swapped."""
    with leased(manifest, kind) as data:
        joined = tenant().held("train-data")

        def read() -> float:
            if joined is not None:
                joined.follow(None)  # which has it ask
            return once(data.snapshot)

        return statistics.median(read() for _ in range(50))


def keeper() -> int:
    """The process id of the one that holds this process's leases."""
    membership = tenant()._membership  # noqa: SLF001
    return 0 if membership is None else membership.owner


def memory_of(pid: int) -> tuple[float, float]:
    """Megabytes that are resident, and those that no other process shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    private = int(sizes["Private_Clean"]) + int(sizes["Private_Dirty"])
    return int(sizes["Rss"]) / 1024, private / 1024


# -- what it is worth ----------------------------------------------------------------


def worth(stack: DevStack, folder: Path, count: int) -> int:
    """Kill, and see what follows."""
    print(f"what it is worth; {count} kills each, seconds: median (slowest)")
    killed = [refusal(stack, folder, "process", number) for number in range(count)]
    refused = [seconds for seconds, _ in killed]
    tell("trainer killed, its keeper revokes: refused after", refused)
    tell("of that, until the keeper had noticed", [noticed for _, noticed in killed])
    left, _ = refusal(stack, folder, "thread", count)
    tell(f"the same without a keeper, TTL {TTL} s: refused after", [left])
    repaired, reads, failed = repairs(stack, count)
    tell("keeper killed: leases held by the next one after", repaired)
    print(f"  in which {reads} reads succeeded, {failed} failed")
    taken = [takeover(stack, folder, number) for number in range(count)]
    tell("owning rank killed: leases owned by another after", taken)
    return int(failed > 0 or max(refused) >= 1.0)


def tell(what: str, seconds: list[float]) -> None:
    """Print a line."""
    print(f"  {what} {statistics.median(seconds):.3f} ({max(seconds):.3f})")


class Program:
    """A trainer, and what a thief would have of it."""

    def __init__(
        self, stack: DevStack, kind: Kind, journal: Path, job: str | None = None
    ) -> None:
        environ = dict(os.environ) | ({"MLSECRETS_JOB": job} if job else {})
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, stack.manifest_path, kind, journal],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )
        said = self.process.stdout.readline() if self.process.stdout else ""
        key, secret, token = json.loads(said)
        self.client = boto3.client(
            "s3",
            endpoint_url=stack.store.address,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def served(self) -> bool:
        """Whether the store still takes the copy."""
        with suppress(ClientError):
            self.client.list_objects_v2(Bucket="datasets", Prefix="digits/")
            return True
        return False

    def kill(self) -> float:
        """End it by SIGKILL; the monotonic second of that."""
        killed = time.monotonic()
        self.process.kill()
        return killed

    def close(self) -> None:
        """End what is left of it."""
        self.client.close()
        self.process.kill()
        self.process.communicate()


def refusal(
    stack: DevStack, folder: Path, kind: Kind, number: int
) -> tuple[float, float]:
    """Seconds from a SIGKILL to the store's refusal, and to the keeper's notice."""
    journal = folder / f"{number}-killed.jsonl"
    program = Program(stack, kind, journal)
    try:
        if not program.served():
            raise RuntimeError("the store refused what was issued a moment ago")
        wall, killed = time.time(), program.kill()
        while program.served():
            time.sleep(0.005)
        seconds = time.monotonic() - killed
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        left = [event["at"] - wall for event in events if event["event"] == "left"]
        return seconds, max(left, default=0.0)
    finally:
        program.close()


def repairs(stack: DevStack, count: int) -> tuple[list[float], int, int]:
    """Seconds from a keeper's end to the next one's; reads meanwhile, and failures."""
    found: list[float] = []
    reads, failed, done = 0, 0, threading.Event()
    with leased(stack.manifest_path, "process", anew=True) as data:

        def read() -> None:
            nonlocal reads, failed
            while not done.wait(0.001):
                try:
                    data.snapshot()
                    reads += 1
                except Exception:  # noqa: BLE001  whatever it is, it is counted
                    failed += 1

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(count):
            old = keeper()
            killed = time.monotonic()
            os.kill(old, signal.SIGKILL)
            while keeper() in {old, 0}:
                time.sleep(0.001)
            found.append(time.monotonic() - killed)
        done.set()
        reader.join()
    return found, reads, failed


def takeover(stack: DevStack, folder: Path, number: int) -> float:
    """Seconds from the end of the rank that owns the leases to the next one's."""
    journal, job = folder / f"{number}.jsonl", f"{folder}:{number}"
    owner = Program(stack, "thread", journal, job)
    other = Program(stack, "thread", journal, job)
    try:
        killed = owner.kill()
        while '"owned"' not in journal.read_text():
            time.sleep(0.001)
        return time.monotonic() - killed
    finally:
        owner.close()
        other.close()


if __name__ == "__main__":
    sys.exit(main())
