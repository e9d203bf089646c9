"""A callback that finds out early what would fail, or leak, late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from mlsecrets import refuse_secrets

from ._leaks import refuse_hyperparameters
from ._objects import (
    LEASED,
    check_writable,
    join,
    leased,
    plain_s3_is_leased,
    stores_are_leased,
)

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class LeaseCallback(Callback):
    """Fails before the first batch, not at the first checkpoint.

    The named leases have to be open and valid, in each rank. Every `ModelCheckpoint`
    must have a folder that an open lease may write to.

    A rank that the Trainer spawned or forked has no block of its own, and would be a
    worker, who may not write. So it joins the named leases and those of checkpoint
    folders here, until it ends: as if the block were around it, without a call to the
    issuer. What a rank reads earlier than this, such as ``ckpt_path="last"``, is read
    as by a worker.

    Hyper-parameters and checkpoints that hold a live secret are refused before they
    are written: hyper-parameters of the module, the data module and the loggers, and
    checkpoints as they are when callbacks see them. `LeaseCheckpointIO` looks once more
    at what is really written.

    It holds scope names only: its pickle goes to the ranks, its state to checkpoints.
    It does not flush loggers: Lightning finalizes them while the block is still open,
    after an exception too, and MLflow (from 2.17) then sends what it has queued.

    Args:
        scopes: the leases that the run needs.
    """

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the leases, and what loggers are about to write.

        Raises:
            NotLeased: one is not open, or none covers where checkpoints go.
            LeaseClosed, LeaseExpired, OwnerGone: one is not usable any more.
            SecretLeak: a hyper-parameter holds a live secret.
        """
        for scope in self.scopes:
            join(scope)
        if stage == "fit":
            for callback in trainer.checkpoint_callbacks:
                if isinstance(callback, ModelCheckpoint) and callback.dirpath:
                    _prepare_folder(callback)
        refuse_hyperparameters(trainer, pl_module)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look once more: the module's own `setup` comes after ours.

        Raises:
            SecretLeak: a hyper-parameter holds a live secret.
        """
        refuse_hyperparameters(trainer, pl_module)

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Look before it is written.

        Raises:
            SecretLeak: the checkpoint holds a live secret; the message says under
                which key.
        """
        refuse_secrets(checkpoint, "the checkpoint")


def _prepare_folder(callback: ModelCheckpoint) -> None:
    """Before the callback's own `setup`, which opens the folder."""
    folder = str(callback.dirpath)
    url = leased(folder)
    if url.startswith(LEASED) and (url == folder or stores_are_leased()):
        check_writable(url.rstrip("/") + "/last.ckpt")
        if not plain_s3_is_leased():
            callback.dirpath = url
