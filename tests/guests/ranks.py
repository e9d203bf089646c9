"""A run of two ranks: python -m tests.guests.ranks MANIFEST STRATEGY FOLDER MLFLOW.

With the strategy ``ddp``, Lightning starts this program again for the second rank.
"""

from __future__ import annotations

import sys

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger

import mlsecrets
from mlsecrets_lightning import LeaseCallback, LeaseCheckpointIO
from mlsecrets_mlflow import tracking
from tests.guests.lightning_parts import TinyNet

SCOPES = "train-data", "checkpoints", "mlflow"


def main(manifest: str, strategy: str, folder: str, mlflow: str) -> None:
    """Train for an epoch; print where the checkpoint is."""
    mlsecrets.configure(manifest, sweep="never")
    torch.set_num_threads(1)
    with mlsecrets.lease(*SCOPES), tracking(mlflow):
        checkpoint = ModelCheckpoint(dirpath=folder)
        trainer = Trainer(
            strategy=strategy,
            accelerator="cpu",
            devices=2,
            max_epochs=1,
            log_every_n_steps=1,
            logger=MLFlowLogger("ranks", run_name=strategy, tracking_uri=mlflow),
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[LeaseCallback(*SCOPES), checkpoint],
            plugins=[LeaseCheckpointIO()],
        )
        trainer.fit(TinyNet(workers=1 if strategy == "ddp" else 0))
        if trainer.is_global_zero:
            sys.stdout.write(checkpoint.best_model_path + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
