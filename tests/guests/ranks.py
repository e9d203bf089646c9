"""A run of two ranks: python -m tests.guests.ranks MANIFEST STRATEGY FOLDER."""

from __future__ import annotations

import sys

from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

import mlsecrets
from mlsecrets_lightning import LeaseCallback, LeaseCheckpointIO
from tests.guests.lightning_parts import TinyNet


def main(manifest: str, strategy: str, folder: str) -> None:
    """Train for an epoch; print where the checkpoint is."""
    mlsecrets.configure(manifest)
    with mlsecrets.lease("train-data", "checkpoints"):
        checkpoint = ModelCheckpoint(dirpath=folder)
        Trainer(
            strategy=strategy,
            accelerator="cpu",
            devices=2,
            max_epochs=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[LeaseCallback("train-data", "checkpoints"), checkpoint],
            plugins=[LeaseCheckpointIO()],
        ).fit(TinyNet())
    sys.stdout.write(checkpoint.best_model_path + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
