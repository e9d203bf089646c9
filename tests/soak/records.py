"""What a soak writes down, and how it travels between its processes: as JSON lines.

All instants are seconds of the monotonic clock, which is one for the whole machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from mlsecrets.clock import SYSTEM_CLOCK

#: What is leased, and the issuers without which it cannot be had.
NEEDS = {
    "train-data": frozenset({"bao", "store"}),
    "mlflow": frozenset({"bao"}),
    "queue": frozenset({"bao"}),
}

now = SYSTEM_CLOCK.monotonic


@dataclass(frozen=True)
class Outage:
    """A time in which issuers were not themselves.

    Attributes:
        issuers: which: ``bao``, ``store``, ``revoker``.
        fault: what was wrong with them.
        start: when it began.
        end: when it was over.
    """

    issuers: tuple[str, ...]
    fault: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


@dataclass(frozen=True)
class Revocation:
    """Something that an administrator ended before its time.

    Attributes:
        scope: whose readers notice.
        what: what was ended.
        at: when.
    """

    scope: str
    what: str
    at: float


@dataclass(frozen=True)
class Failure:
    """A read that raised, or gave something else than was written.

    Attributes:
        reader: which thread or worker.
        scope: the lease that it read with.
        error: the type's name.
        message: what it said; holds no secret.
        ours: whether mlsecrets raised it, rather than a server's answer.
        valid: whether credentials that were at hand when the read began still lived
            when it failed.
        started: when the read began.
        ended: when it failed.
    """

    reader: str
    scope: str
    error: str
    message: str
    ours: bool
    valid: bool
    started: float
    ended: float


@dataclass(frozen=True)
class Refusal:
    """A server that did not accept what a lease gave out.

    Attributes:
        scope: the lease.
        seen_by: a reader, or the server itself.
        at: when.
        late: seconds that the credential had been dead for, where the server knows it.
    """

    scope: str
    seen_by: str
    at: float
    late: float | None = None


@dataclass
class Tally:
    """What one reader did.

    Attributes:
        reader: its name; a worker's includes its process id.
        kind: how it reads.
        scope: the lease that it reads with.
        reads: how many there were, failed ones too.
        slowest: seconds that the longest of them took.
        slowest_at: when that one began.
    """

    reader: str
    kind: str
    scope: str
    reads: int = 0
    slowest: float = 0.0
    slowest_at: float = 0.0


@dataclass
class Records:
    """Everything that the readers of a run wrote down."""

    failures: list[Failure] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    accidents: list[str] = field(default_factory=list)


class Notebook:
    """A file of one reader's records; a reader that is killed keeps what it wrote."""

    def __init__(self, folder: Path, reader: str) -> None:
        self._path = folder / f"{reader}.jsonl"
        self._lock = Lock()

    def write(self, record: Failure | Refusal | Tally | str) -> None:
        """Add a record; a `str` is an accident that has no form."""
        what = {"text": record} if isinstance(record, str) else asdict(record)
        line = json.dumps({"is": type(record).__name__, **what})
        with self._lock, self._path.open("a") as file:
            file.write(line + "\n")


def read_notebooks(folder: Path) -> Records:
    """What all readers wrote, the last tally of each."""
    records, tallies = Records(), {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in json_lines(path):
            kind = line.pop("is")
            if kind == "Failure":
                records.failures.append(Failure(**line))
            elif kind == "Refusal":
                records.refusals.append(Refusal(**line))
            elif kind == "Tally":
                tallies[line["reader"]] = Tally(**line)
            else:
                records.accidents.append(line["text"])
    records.tallies = list(tallies.values())
    return records


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that somebody may be writing to."""
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
