"""Starting the training process, and making sure that it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlsecrets

from .channel import Channel
from .plan import Plan

#: Seconds for its end after it has said its last word, or after SIGTERM: it gives its
#: leases back in that time, and searches its memory.
_END = 60.0
#: Long-lived credentials and settings of whoever runs the demo have no place in it.
_FOREIGN = ("AWS_", "MLFLOW_", "MLSECRETS_", "FSSPEC_", "VAULT_", "BAO_", "OTEL_")


class TrainingFailed(Exception):
    """The training process ended where it should not have.

    Args:
        returncode: as `subprocess` has it.
        log: where its last words are.
    """

    def __init__(self, returncode: int | None, log: Path) -> None:
        super().__init__(f"the training process ended with {returncode}; see {log}")
        self.log = log

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Training:
    """A training process that runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: Channel, log: Path
    ) -> None:
        self._process = process
        self.channel = channel
        self.log = log
        self.pid = process.pid

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            TrainingFailed: it ended with an error, or not at all.
        """
        try:
            returncode = self._process.wait(_END)
        except subprocess.TimeoutExpired:
            raise TrainingFailed(None, self.log) from None
        if returncode != 0:
            raise TrainingFailed(returncode, self.log)


@contextmanager
def training(plan: Plan, log: Path) -> Iterator[Training]:
    """Start one; it is gone when the block is left.

    Raises:
        TrainingFailed: it broke off while the block listened to it.
    """
    ours, theirs = Channel.pair()
    module = "mlsecrets_demo.train"
    argv = [sys.executable, "-m", module, plan.to_json(), str(theirs.fileno())]
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  our own module
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(),
                pass_fds=[theirs.fileno()],
                # A Ctrl-C is for the demo, which then ends this process once, by
                # SIGTERM: a second signal could break off the return of its leases.
                start_new_session=True,
            )
    finally:
        theirs.close()
    try:
        yield Training(process, ours, log)
    except EOFError:
        raise TrainingFailed(process.wait(_END), log) from None
    finally:
        ours.close()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM lets it revoke what it has; SIGKILL is for one that hangs."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN)
    }
    # From wherever these two were imported, installed or not.
    roots = [str(Path(__file__).parents[1]), str(Path(mlsecrets.__file__).parents[1])]
    if "PYTHONPATH" in kept:
        roots.append(kept["PYTHONPATH"])
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(roots),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
