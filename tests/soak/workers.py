"""Worker processes, forked and spawned, that read through the process that owns."""

from __future__ import annotations

import faulthandler
import os
import signal
import warnings
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from mlsecrets import lease

from .readers import PACE, Reader
from .reads import ByFilesystem, BySnapshot, ByURL, Read
from .records import Notebook, now

#: How each worker of the crew is started.
METHODS = ("fork", "spawn", "fork", "spawn")
#: Seconds that a worker may take to end: a read that waits for an issuer takes ten.
PATIENCE = 30.0


@dataclass(frozen=True)
class Job:
    """What a worker needs to know; it pickles, and holds no secret.

    Args:
        notebooks: the folder of records.
        resource: the address of `resource.Resource`.
        owner: the process that starts it.
        name: of the worker.
        seed: of its choices.
    """

    notebooks: Path
    resource: str
    owner: int
    name: str
    seed: int


def work(job: Job, told: Connection) -> None:
    """In the worker: read one scope after the other until told to stop."""
    trace = (job.notebooks / f"{job.name}.trace").open("w")
    faulthandler.register(signal.SIGUSR1, trace, all_threads=True)
    name = f"{job.name}-{os.getpid()}"
    notebook = Notebook(job.notebooks, name)
    try:
        with lease("train-data", "mlflow", "queue") as creds:
            reads: list[Read] = [
                ByURL(creds["train-data"], job.seed),
                ByFilesystem(creds["train-data"], job.seed),
                BySnapshot(creds["mlflow"], job.seed, f"{job.resource}/jwt"),
                BySnapshot(creds["queue"], job.seed, f"{job.resource}/user"),
            ]
            readers = [
                Reader(f"{name}-{index}-{read.kind}", read, notebook)
                for index, read in enumerate(reads)
            ]
            pause = reads[0].random.uniform
            # An owner that was killed tells nothing: the other workers hold the pipe.
            while os.getppid() == job.owner and not told.poll(pause(*PACE)):
                for reader in readers:
                    reader.once()
            for reader in readers:
                reader.tell()
    except Exception as error:
        notebook.write(f"{name} ended by {type(error).__name__}: {error}")


class Crew:
    """Four workers, of which one after the other is replaced, as epochs do.

    Args:
        job: what they do; each gets a name and a seed of its own.
        epoch: seconds from one replacement to the next.
    """

    def __init__(self, job: Job, epoch: float) -> None:
        self._job = job
        self._epoch = epoch
        self._book = Notebook(job.notebooks, "crew")
        self._started = 0
        self._crew: list[tuple[BaseProcess, Connection]] = []
        self._due = now() + epoch

    def start(self) -> None:
        """Start all of them."""
        self._crew = [self._one(index) for index in range(len(METHODS))]

    def tend(self) -> None:
        """Replace one, if it is time to."""
        if now() >= self._due:
            index = self._started % len(METHODS)
            # Forked while the others read and leases are renewed.
            old, self._crew[index] = self._crew[index], self._one(index)
            self._tell(*old)
            self._end(old[0])
            self._due = now() + self._epoch

    def stop(self) -> None:
        """End all of them."""
        for process, tell in self._crew:
            self._tell(process, tell)
        for process, _ in self._crew:
            self._end(process)

    @property
    def started(self) -> int:
        """How many there have been."""
        return self._started

    def _one(self, index: int) -> tuple[BaseProcess, Connection]:
        method = METHODS[index]
        context = get_context(method)
        name = f"worker-{index}-{method}"
        job = replace(self._job, name=name, seed=self._started)
        told, tell = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(job, told), daemon=True)  # type: ignore[attr-defined]  # of every context
        with warnings.catch_warnings():
            # Python 3.12 warns of what PyTorch's DataLoader does by default.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        told.close()
        self._started += 1
        return process, tell

    def _tell(self, process: BaseProcess, tell: Connection) -> None:
        try:
            tell.send("stop")
        except OSError:
            self._book.write(f"{process.name} had ended before it was told to")
        tell.close()

    def _end(self, process: BaseProcess) -> None:
        process.join(PATIENCE)
        if process.exitcode is None:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGUSR1)  # writes where it hangs
            process.join(1.0)
            self._book.write(f"{process.name} hung; see its .trace")
            process.kill()
            process.join()
        elif process.exitcode != 0:
            self._book.write(f"{process.name} ended with {process.exitcode}")
        process.close()
