"""What was measured of a cell, and where it falls short of its rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.matrix.cells import Cell, rule


@dataclass(frozen=True)
class Measured:
    """One cell.

    Attributes:
        cell: which.
        acquired: leases were there before anything was read or logged.
        generations: how many each scope had, at least.
        logged: values that the program gave to MLflow.
        arrived: how many of them MLflow has.
        status: of the run, as MLflow says.
        checkpoint: there are some, and all can be loaded.
        fate: of the store's credentials that lived when it ended: the least of all.
        seconds: from the end of the program to the store's last refusal.
        token_seconds: the same of MLflow's token, which nobody can revoke.
        login_revoked: so was the login to OpenBao.
        shredded: what the processes said of their memory.
        log: the end of what they printed, for whoever sees that it falls short.
    """

    cell: Cell
    acquired: bool
    generations: int
    logged: int
    arrived: int
    status: str
    checkpoint: bool
    fate: str
    seconds: float
    token_seconds: float
    login_revoked: bool
    shredded: str
    log: str = field(default="", repr=False, compare=False)

    def shortfalls(self) -> Iterator[str]:
        """Where it is worse than the cell's rule says."""
        promised = rule(self.cell)
        if not self.acquired:
            yield "something was read or logged before its lease was there"
        if self.generations < 2:
            yield "its leases were not renewed"
        if not self.checkpoint:
            yield "there is no checkpoint that can be read"
        if promised.flushed and self.arrived < self.logged:
            yield f"of {self.logged} values logged, MLflow has {self.arrived}"
        if promised.flushed and self.status == "RUNNING":
            yield "MLflow was not told that the run has ended"
        if promised.fate == "revoked":
            if self.fate != "revoked":
                yield f"credentials ended by their {self.fate}"
            if not self.login_revoked:
                yield "the login was not revoked"
        fine = {"clean"} if self.cell.ranks == 1 else {"clean", "gone"}
        said = {part.split()[-1] for part in self.shredded.split(", ")}
        if promised.shredded and (said - fine or self.shredded == "not clean"):
            yield f"memory: {self.shredded}"

    def to_json(self) -> str:
        """One line."""
        parts = asdict(self)
        del parts["log"]  # for whoever runs the test, not for the record
        return json.dumps(parts)

    @classmethod
    def from_json(cls, line: str) -> Measured:
        """The inverse of `to_json`."""
        parts: dict[str, Any] = json.loads(line)
        return cls(cell=Cell(**parts.pop("cell")), **parts)
