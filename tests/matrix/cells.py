"""The cells of the matrix, and the rule of what has to be true in each.

A rule is the least that is promised. What was measured may be better, never worse.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Keeper = Literal["thread", "process"]
#: What becomes of credentials: ended by us, or by their lifetime. In this order.
Fate = Literal["revoked", "TTL"]

#: How each framework's ranks are started.
LAUNCHERS = {
    "Lightning": ("process", "ddp", "ddp_spawn", "ddp_fork", "torchrun", "srun"),
    "Fabric": ("process", "ddp", "torchrun"),
    "torch": ("process", "torchrun"),
    "Trainer": ("process", "torchrun"),
    "Ray Train": ("cluster",),
}
#: Their programs, in this folder.
PROGRAMS = {
    "Lightning": "lightning_run",
    "Fabric": "fabric_run",
    "torch": "torch_run",
    "Trainer": "transformers_run",
    "Ray Train": "ray_run",
}
ENDINGS = ("return", "exception", "Ctrl-C", "SIGTERM", "requeue")
#: SIGKILL of one process: of a rank that others go on without, or of all there are.
KILLS = ("SIGKILL of a rank", "SIGKILL")


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        framework: a key of `LAUNCHERS`.
        launcher: one of its values.
        ending: one of `ENDINGS` or `KILLS`.
        keeper: who owns the leases.
    """

    framework: str
    launcher: str
    ending: str
    keeper: Keeper = "thread"

    def __str__(self) -> str:
        parts = (self.framework, self.launcher, self.ending, self.keeper)
        return "-".join(part.replace(" ", "_") for part in parts)

    @property
    def ranks(self) -> int:
        """How many processes train."""
        return 1 if self.launcher == "process" else 2

    @property
    def handles_requeue(self) -> bool:
        """Whether the program does something about SIGUSR1.

        Lightning does where SLURM started it; of the others, loops of one's own can.
        """
        if self.framework == "Lightning":
            return self.launcher in {"process", "srun"}
        return self.framework in {"Fabric", "torch"}

    @property
    def run(self) -> str:
        """A name that its checkpoints may have."""
        return f"run-{zlib.crc32(str(self).encode()):08x}"


@dataclass(frozen=True)
class Rule:
    """What has to be true of a cell, at least.

    Attributes:
        fate: of every credential of the store that still lived.
        flushed: everything that was logged is at MLflow, and the run's end is.
        shredded: the processes say that they left no secret in memory; or are gone,
            where there are several.
    """

    fate: Fate
    flushed: bool = True
    shredded: bool = True


#: Where something ends the process that owns the leases before it can do anything.
KILLED = Rule("TTL", flushed=False, shredded=False)
#: The same, and somebody else owns them.
KEPT = Rule("revoked", flushed=False, shredded=False)
ORDERLY = Rule("revoked")


#: Lightning's own, for which it starts processes.
STARTED = ("ddp", "ddp_spawn", "ddp_fork")


def rule(cell: Cell) -> Rule:
    """The promise for a cell."""
    killed = cell.ending in KILLS or (
        cell.ending == "requeue" and not cell.handles_requeue
    )
    # Ray kills the workers of a driver that ends: also one that was just handed leases.
    killed = killed or (cell.launcher == "cluster" and cell.ending == "SIGTERM")
    if killed:
        return KEPT if cell.keeper == "process" else KILLED
    if cell.launcher == "cluster" and cell.ending != "return":
        # The same where a rank fails: no worker is told of the end.
        return Rule("revoked", flushed=False, shredded=False)
    if cell.launcher in STARTED and cell.ending != "return":
        # Ranks that do not end in time are killed: memory goes with its process.
        return Rule("revoked", shredded=False)
    return ORDERLY


def every() -> Iterator[Cell]:
    """All cells, in the order of the table."""
    for framework, launchers in LAUNCHERS.items():
        for launcher in launchers:
            for ending in ENDINGS:
                cell = Cell(framework, launcher, ending)
                yield cell
                if rule(cell).fate == "TTL":
                    yield Cell(framework, launcher, ending, "process")
            for ending in KILLS:
                if ending == "SIGKILL" or launcher != "process":
                    yield Cell(framework, launcher, ending)
                    yield Cell(framework, launcher, ending, "process")


#: For each run of the tests; ``make matrix`` has all of them.
COVERING = (
    Cell("Lightning", "srun", "requeue"),
    Cell("torch", "process", "SIGKILL", "process"),
    Cell("Trainer", "process", "SIGTERM"),
)
