"""Ranks that end together, whatever has launched them.

Launchers take the first rank that ends with an exception for the one that failed, and
kill the others. So no rank may end before the run is saved and marked; and what
Lightning does after an exception, where it does it, must not be cut short.
"""

from __future__ import annotations

import re
from multiprocessing import util

from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import (
    _MultiProcessingLauncher,
    _SubprocessScriptLauncher,
)
from lightning.pytorch.trainer.states import TrainerStatus
from torch.multiprocessing.spawn import ProcessRaisedException

from mlsecrets.errors import LeaseDoomed

from ._loggers import fail

#: The last line of the traceback that a spawned rank leaves, if it was stopped by us.
_STOPPED = re.compile(r"^mlsecrets\.errors\.LeaseDoomed: (.*)$", re.MULTILINE)
#: What the message says of the checkpoint (`mlsecrets.training`).
_CHECKPOINT = re.compile(r"its work is in (\S+)$")


def fail_at_exit(trainer: Trainer) -> None:
    """Have a rank that is ended early end its loggers' runs, where Lightning does not.

    It does so in the process that forked or spawned the ranks, whose loggers have never
    begun a run: that of the first rank would stay open for ever.
    """
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher) and trainer.is_global_zero:

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
