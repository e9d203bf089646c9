"""Signals to a run of several ranks: all of them mind one after the same step.

Lightning's own handlers communicate inside of the handler, each rank in the middle of
whatever it is doing: SIGTERM's broadcasts, and that of SLURM's warning saves (2.6:
`_SignalConnector`). Ranks that are in two different collectives then wait for each
other until somebody kills them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from mlsecrets.training import exits_on_sigterm

from ._launchers import is_launched, tell_ranks

#: What a shell reports for a process that SIGTERM ended (POSIX: 128 + signal number).
#: A launched rank that ended with 0 would be waited for: it has returned nothing.
LAUNCHED_STATUS = 128 + signal.SIGTERM

Handler = Callable[[int, FrameType | None], Any]


class Signals:
    """What came to one rank; made before Lightning handles any.

    Args:
        trainer: whose rank this is.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._terminated = self._warned = False
        self._others = signal.getsignal(signal.SIGTERM)
        self._warning = _warning(trainer)
        self._requeue: Handler | None = None
        if is_launched(trainer) and _is_main():
            # Lightning gives this back after `fit`, when only the rank's end is left:
            # launchers send the signal again to those that are about to end.
            signal.signal(signal.SIGTERM, self._note_end)

    def take(self) -> None:
        """Take the place of Lightning's handlers, once these are installed."""
        if self._trainer.world_size == 1 or not _is_main():
            return
        signal.signal(signal.SIGTERM, self._note_end)
        if self._warning is not None:
            handler = signal.getsignal(self._warning)
            self._requeue = handler if callable(handler) else None
            signal.signal(self._warning, self._note_warning)

    @property
    def terminated(self) -> bool:
        """Whether this rank is to end."""
        return self._terminated or self._trainer.received_sigterm

    @property
    def any(self) -> bool:
        """Whether there is anything to be minded."""
        return self._warned or self.terminated

    def mind(self) -> None:
        """Do what was asked of any rank; to be called by all of them.

        Raises:
            SIGTERMException: they are to end.
        """
        decide = self._trainer.strategy.reduce_boolean_decision
        if decide(self._warned, all=False):
            self._warned = False
            if self._requeue is not None and self._warning is not None:
                self._requeue(self._warning, None)
        if decide(self.terminated, all=False):
            raise self.end()

    def end(self) -> SIGTERMException:
        """What ends a rank."""
        status = (LAUNCHED_STATUS,) if is_launched(self._trainer) else ()
        return SIGTERMException(*status)

    def _note_end(self, number: int, frame: FrameType | None) -> None:
        if not self._terminated:
            self._terminated = True
            tell_ranks(self._trainer, number)
        # That of the front door would end this rank in the middle of its step.
        if callable(self._others) and not exits_on_sigterm(self._others):
            self._others(number, frame)

    def _note_warning(self, number: int, frame: FrameType | None) -> None:
        self._warned = True


def _is_main() -> bool:
    # Python lets no other thread install handlers; Lightning does not try, either.
    return threading.current_thread() is threading.main_thread()


def _warning(trainer: Trainer) -> signal.Signals | None:
    """The signal before SLURM's end of a job, if Lightning is about to handle it."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if not isinstance(environment, SLURMEnvironment) or not environment.auto_requeue:
        return None
    number = environment.requeue_signal
    if number is None or signal.getsignal(number) not in {None, signal.SIG_DFL}:
        return None
    return signal.Signals(number)
