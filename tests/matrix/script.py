"""What every training program of the matrix does, whatever its framework.

A program is told by the environment (`Settings`), and tells the test what it does by
lines in a file: it may be killed at any instant, and what it wrote is there.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import fsspec
import torch

from mlsecrets import Bundle, configure, lease
from mlsecrets.errors import MLSecretsError

SCOPES = ("train-data", "checkpoints", "mlflow")
#: Objects that the data has, and numbers in each.
OBJECTS, WIDTH = 8, 16
#: Seconds that a step takes: as long as it would with a net of some size.
STEP = 0.05
#: Steps from one checkpoint to the next.
SAVE_EVERY = 10
ENVIRONMENT = "MATRIX"


@dataclass(frozen=True)
class Settings:
    """What a program is told.

    Attributes:
        manifest: the path of its manifest.
        mlflow: where MLflow listens.
        run: its name, and the folder of its checkpoints.
        folder: where the test finds what it tells.
        launcher: how its ranks are started.
        ending: how the test will end it.
        keeper: who owns its leases.
        cluster: the address of a Ray cluster.
    """

    manifest: str
    mlflow: str
    run: str
    folder: str
    launcher: str
    ending: str
    keeper: Literal["thread", "process"]
    cluster: str = ""

    def environment(self) -> dict[str, str]:
        """For the process that is told."""
        return {ENVIRONMENT: json.dumps(asdict(self))}

    @classmethod
    def told(cls) -> Settings:
        """What this process is told."""
        return cls(**json.loads(os.environ[ENVIRONMENT]))

    @property
    def checkpoint(self) -> str:
        """The address of the last checkpoint."""
        return f"leases3://checkpoints/{self.run}/last.ckpt"

    @property
    def journal(self) -> Path:
        """Where events are written."""
        return Path(self.folder, "journal.jsonl")

    @property
    def notes(self) -> Path:
        """Where `note` writes."""
        return Path(self.folder, "notes.jsonl")

    @property
    def go(self) -> Path:
        """Is there once the program is to end by itself."""
        return Path(self.folder, "go")


def note(kind: str, **detail: Any) -> None:
    """Tell the test; one write, which ranks do not tear."""
    line = json.dumps({"note": kind, "at": time.time(), "pid": os.getpid(), **detail})
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    descriptor = os.open(Settings.told().notes, flags, 0o600)
    os.write(descriptor, line.encode() + b"\n")
    os.close(descriptor)


@contextmanager
def leased() -> Iterator[Bundle]:
    """The block around everything; somebody steals each generation meanwhile."""
    told = Settings.told()
    configure(
        told.manifest, journal=told.journal, keeper=told.keeper, on_sigterm="exit"
    )
    with lease(*SCOPES) as creds:
        note("block")
        thief = Copying(creds)
        thief.start()
        try:
            yield creds
        finally:
            thief.done.set()
            thief.join()


class Copying(threading.Thread):
    """Plays the thief: hands every generation to the test as soon as it is there."""

    def __init__(self, creds: Bundle) -> None:
        super().__init__(daemon=True)
        self.creds = creds
        self.done = threading.Event()

    def run(self) -> None:
        """Look until told to stop, and then once more: the last may be a moment old."""
        had: dict[str, str] = {}
        over = False
        while not over:
            over = self.done.wait(0.01)
            for scope in SCOPES:
                with suppress(MLSecretsError):
                    self._copy(scope, self.creds[scope], had)

    @staticmethod
    def _copy(scope: str, held: Any, had: dict[str, str]) -> None:
        grant = held.snapshot()
        terms, credentials = grant.terms, grant.credentials
        if had.get(scope) == terms.lease_id:
            return
        note(
            "caught",
            scope=scope,
            generation=terms.generation,
            lease_id=terms.lease_id,
            expires_at=terms.expires_at,
            values={
                **credentials.public,
                **{name: credentials.reveal(name) for name in credentials.FIELDS},
            },
        )
        had[scope] = terms.lease_id


class Stored(torch.utils.data.Dataset[torch.Tensor]):
    """Reads one object of the store for each item, every time."""

    def __len__(self) -> int:
        return OBJECTS

    def __getitem__(self, index: int) -> torch.Tensor:
        return read(index)


def read(index: int) -> torch.Tensor:
    """One object, by its address."""
    use("train-data")
    with fsspec.open(f"leases3://datasets/digits/tiny/{index % OBJECTS}.bin") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32)


_used: set[str] = set()


def use(scope: str) -> None:
    """Note that something is about to be used, the first time that it is."""
    if scope not in _used:
        _used.add(scope)
        note("use", scope=scope)


def save(state: Any) -> None:
    """Write the last checkpoint."""
    use("checkpoints")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with fsspec.open(Settings.told().checkpoint, "wb") as file:
        file.write(buffer.getvalue())


class Planned(Exception):
    """What a program of this matrix dies of."""


class Steps:
    """One rank's steps: noted, paced, and ended as the test says.

    Args:
        rank: its number.
        ranks: how many there are.
    """

    def __init__(self, rank: int, ranks: int) -> None:
        self.rank, self.ranks = rank, ranks
        self.told = Settings.told()
        note("rank", rank=rank)

    def over(self, logged: int) -> bool:
        """Whether this rank is to stop; it may wait for the others to say the same.

        Args:
            logged: how many values were given to MLflow so far.

        Raises:
            Planned: the last rank is to fail.
        """
        note("step", rank=self.rank, logged=logged)
        threading.Event().wait(STEP)
        go = self.told.go.exists()
        if self.told.ending == "exception" and go and self.rank == self.ranks - 1:
            note("ending")
            raise Planned("in the middle of training")
        over = any_rank(self.told.ending == "return" and go)
        if over:
            note("ending")
        return over


def any_rank(here: bool) -> bool:
    """Whether any rank says so."""
    if not torch.distributed.is_initialized():
        return here
    flag = torch.tensor([int(here)])
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


class Requeue:
    """What a plain loop does about SLURM's warning: note it, act after the step.

    ``#SBATCH --signal=USR1@90`` has it sent ninety seconds before the time is over.
    """

    def __init__(self) -> None:
        self._warned = False
        signal.signal(signal.SIGUSR1, self._warn)

    def _warn(self, number: int, frame: Any) -> None:
        self._warned = True

    def asked(self) -> bool:
        """Whether any rank was warned."""
        return any_rank(self._warned)

    @staticmethod
    def requeue() -> None:
        """Have the job run again; one rank does it, after the checkpoint."""
        subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True)
        note("ending")
