"""A Lightning program: python -m tests.matrix.lightning_run, or by torchrun."""

from __future__ import annotations

import logging
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger
from torch.utils.data import DataLoader

from mlsecrets_lightning import LeaseCallback, LeaseCheckpointIO
from mlsecrets_mlflow import tracking
from tests.matrix import script

#: Lightning's names for how it starts ranks; torchrun's it finds out by itself.
STRATEGIES = {"process": "auto", "torchrun": "ddp", "srun": "ddp"}
#: Whose ranks have no block around them.
LAUNCHED = ("ddp_spawn", "ddp_fork")


class Net(LightningModule):
    """Learns nothing of use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(script.WIDTH, 1)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        """Log the loss of one batch."""
        loss: torch.Tensor = self.layer(batch).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        """Two batches an epoch."""
        return DataLoader(script.Stored(), batch_size=4)


class Ending(Callback):
    """Tells the test, and stops or fails when it says so."""

    steps: script.Steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say who this is."""
        self.steps = script.Steps(trainer.global_rank, trainer.world_size)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """All steps before this one have been logged."""
        if self.steps.over(trainer.global_step):
            trainer.should_stop = True


def main() -> None:
    """Train until told to stop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    told = script.Settings.told()
    ranks = 1 if told.launcher == "process" else 2
    url = told.checkpoint.rpartition("/")[0]
    with script.leased(), tracking(told.mlflow):
        script.use("mlflow")
        script.use("checkpoints")
        Trainer(
            strategy=STRATEGIES.get(told.launcher, told.launcher),
            accelerator="cpu",
            devices=ranks,
            # Where the handler of SLURM's signal saves; in ranks that have no block
            # Lightning looks into it before any callback.
            default_root_dir=told.folder if told.launcher in LAUNCHED else url,
            max_epochs=-1,
            log_every_n_steps=1,
            logger=MLFlowLogger(told.run, run_name=told.run, tracking_uri=told.mlflow),
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[
                LeaseCallback(*script.SCOPES),
                ModelCheckpoint(
                    dirpath=url,
                    filename="last",
                    enable_version_counter=False,
                    every_n_train_steps=script.SAVE_EVERY,
                ),
                Ending(),
            ],
            plugins=[LeaseCheckpointIO()],
        ).fit(Net())


if __name__ == "__main__":
    main()
