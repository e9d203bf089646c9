"""A run of Lightning's, as `mlsecrets.training.ExpiryWatch` has it saved and ended."""

from __future__ import annotations

from collections.abc import Callable

from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from mlsecrets.errors import LeaseError
from mlsecrets.training import State

from ._checkpoint_io import writes_later
from ._launchers import let_ranks_end
from ._loggers import fail, flush, mark
from ._objects import at_store
from ._signals import Signals


class TrainerRun:
    """What `ExpiryWatch` may ask of a Trainer that fits; each rank has one.

    Args:
        trainer: it.
        signals: what came to this rank.
        folder: where checkpoints go; None: see `folder_of`.
    """

    def __init__(
        self, trainer: Trainer, signals: Signals, folder: str | None = None
    ) -> None:
        self._trainer = trainer
        self._signals = signals
        self._folder = folder
        self._checkpoint = ""

    def any(self, here: bool) -> bool:  # noqa: FBT001  as in `Run`
        """Whether any rank says so; signals that came to one are minded by all.

        Raises:
            SIGTERMException: SIGTERM came.
        """
        decide = self._trainer.strategy.reduce_boolean_decision
        # One collective where nothing is the matter, as it is after nearly every step.
        if not decide(here or self._signals.any, all=False):
            return False
        self._signals.mind()
        return decide(here, all=False)

    def save(self) -> str:
        """Write a checkpoint, and wait until it is there; where it is."""
        trainer = self._trainer
        name = f"doomed-epoch={trainer.current_epoch}-step={trainer.global_step}.ckpt"
        folder = self._folder or folder_of(trainer)
        self._checkpoint = f"{at_store(folder) or folder.rstrip('/')}/{name}"
        trainer.save_checkpoint(self._checkpoint, weights_only=False)
        finish(trainer.strategy.checkpoint_io, self.any)
        return self._checkpoint

    def flush(self) -> None:
        """Have loggers send what they have queued."""
        if self._trainer.is_global_zero:
            flush(self._trainer.loggers)

    def mark(self, state: State, words: str) -> None:
        """Note it in the loggers' runs; before the end, wait for all ranks."""
        trainer = self._trainer
        if trainer.is_global_zero:
            told = {"state": state, "reason": words, "checkpoint": self._checkpoint}
            mark(trainer.loggers, told)
        if state == "stopped":
            if trainer.is_global_zero:
                fail(trainer.loggers)
            let_ranks_end(trainer)


def folder_of(trainer: Trainer) -> str:
    """Where a Trainer's checkpoints go.

    To a leased folder of a `ModelCheckpoint` if there is one, else to that of the
    first, else into the Trainer's own.
    """
    folders = [
        str(callback.dirpath)
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint) and callback.dirpath
    ]
    stored = [folder for folder in folders if at_store(folder)]
    own = f"{trainer.default_root_dir.rstrip('/')}/checkpoints"
    return (stored or folders or [own])[0]


def finish(checkpoint_io: CheckpointIO, any_rank: Callable[[bool], bool]) -> None:
    """Wait until checkpoints that are written in the background are there.

    Args:
        checkpoint_io: what writes them.
        any_rank: whether any rank says so; a collective.

    Raises:
        LeaseError: one could not be written, which another rank knows more of.
    """
    if not writes_later(checkpoint_io):
        return
    failure: BaseException | None = None
    try:
        # It begins anew at the next save.
        checkpoint_io.teardown()
    except BaseException as error:  # noqa: BLE001  raised when all ranks know of it
        failure = error
    if any_rank(failure is not None):
        raise failure or LeaseError(
            "another rank could not write the checkpoint in the background",
            remedy="see what that rank says",
        )
