"""Lightning's Trainer, with nothing that writes."""

from __future__ import annotations

import torch
from lightning import LightningModule, Trainer

from mlsecrets_lightning import LeaseCallback

from .net import BATCH, loss_of, net, numbers


class Module(LightningModule):
    """The net."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        """One batch's loss."""
        return loss_of(self.net, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), 1e-3)


def fit(steps: int, watched: bool, folder: str) -> None:  # noqa: FBT001
    """Train; with the callback, if told so."""
    Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[LeaseCallback("train-data", "checkpoints")] if watched else [],
    ).fit(Module(), torch.utils.data.DataLoader(numbers(steps), BATCH))
