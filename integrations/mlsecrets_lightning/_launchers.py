"""Ranks that end together, whatever has launched them.

Launchers take the first rank that ends with an exception for the one that failed, and
kill the others. So no rank may end before the run is saved and marked; and what
Lightning does after an exception, where it does it, must not be cut short.
"""

from __future__ import annotations

import atexit
import re
import subprocess
from collections.abc import Iterable
from multiprocessing import parent_process, util
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import (
    _MultiProcessingLauncher,
    _SubprocessScriptLauncher,
)
from lightning.pytorch.trainer.states import TrainerStatus
from torch.multiprocessing.spawn import ProcessRaisedException

from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.errors import LeaseDoomed

from ._loggers import fail

#: Seconds in which ranks end by themselves, and then once they are told to. Less than
#: SLURM and torchrun leave after SIGTERM: 30 (slurm.conf: KillWait; torch: PContext).
PARTING, TOLD = 10.0, 5.0

#: A rank, by either kind of launcher.
Rank = subprocess.Popen[Any] | BaseProcess

#: The last line of the traceback that a spawned rank leaves, if it was stopped by us.
_STOPPED = re.compile(r"^mlsecrets\.errors\.LeaseDoomed: (.*)$", re.MULTILINE)
#: What the message says of the checkpoint (`mlsecrets.training`).
_CHECKPOINT = re.compile(r"its work is in (\S+)$")


def is_launched(trainer: Trainer) -> bool:
    """Whether this is a rank that the Trainer has forked or spawned."""
    return (
        isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)
        and parent_process() is not None
    )


def tell_ranks(trainer: Trainer, signal_number: int) -> None:
    """Send a signal to the ranks that this process has started as programs."""
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        launcher.kill(signal_number)


def see_off_at_exit(trainer: Trainer, error: BaseException) -> None:
    """Let the ranks that this process has started end in peace, and see that they do.

    Of its own, Lightning kills them after Ctrl-C, leaves them alone after other errors,
    and kills this process (SIGKILL) once one of them has failed.

    What is left of them is told to end, and killed, when this process exits: after
    its block, and before it gives its leases up.

    Args:
        trainer: what started them.
        error: why this process ends. Forked and spawned ranks do not know of SIGTERM.
    """
    launcher = trainer.strategy.launcher
    if not isinstance(launcher, _MultiProcessingLauncher | _SubprocessScriptLauncher):
        return
    ranks: list[Rank] = list(launcher.procs)
    if not ranks:
        return
    # The same list is its observer's, who kills.
    launcher.procs.clear()
    if isinstance(error, SystemExit) and isinstance(launcher, _MultiProcessingLauncher):
        for rank in ranks:
            rank.terminate()
    atexit.register(_see_off, ranks)


def _see_off(ranks: list[Rank]) -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Those that wait for this process in a collective are told that it is gone.
        torch.distributed.destroy_process_group()
    for rank in _left(ranks, PARTING):
        rank.terminate()
    for rank in _left(ranks, TOLD):
        rank.kill()


def _left(ranks: Iterable[Rank], seconds: float) -> list[Rank]:
    """Those that have not ended so many seconds later."""
    until = SYSTEM_CLOCK.monotonic() + seconds
    left: list[Rank] = []
    for rank in ranks:
        patience = max(until - SYSTEM_CLOCK.monotonic(), 0.0)
        if isinstance(rank, BaseProcess):
            rank.join(patience)
            if rank.is_alive():
                left.append(rank)
            continue
        try:
            rank.wait(patience)
        except subprocess.TimeoutExpired:
            left.append(rank)
    return left


def fail_at_exit(trainer: Trainer) -> None:
    """Have a rank that is ended early end its loggers' runs, where Lightning does not.

    It does so in the process that forked or spawned the ranks, whose loggers have never
    begun a run: that of the first rank would stay open for ever.
    """
    if is_launched(trainer) and trainer.is_global_zero:

        def end() -> None:
            if trainer.state.status != TrainerStatus.FINISHED:
                fail(trainer.loggers)

        # What processes of `multiprocessing` do at their end, also after an exception.
        util.Finalize(None, end, exitpriority=0)


def let_ranks_end(trainer: Trainer) -> None:
    """Have all ranks wait for each other; from then on any may end, and kill none."""
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        # Its observer would kill this process (SIGKILL) at most five seconds after the
        # first of these has ended: while leases are still being revoked, perhaps.
        launcher.procs.clear()
    trainer.strategy.barrier("mlsecrets.stopped")


def stopped_in_child(error: BaseException) -> LeaseDoomed | None:
    """The stop that a forked or spawned rank has told its launcher of, if it was one.

    All that comes from there is the text of a traceback.
    """
    if not isinstance(error, ProcessRaisedException):
        return None
    told = _STOPPED.search(str(error))
    if told is None:
        return None
    checkpoint = _CHECKPOINT.search(told[1])
    return LeaseDoomed(
        told[1],
        checkpoint=checkpoint[1] if checkpoint else None,
        remedy="see why with mlsecrets doctor, and resume from the checkpoint once the "
        "issuer grants the lease again",
    )
