"""The Trainer of Hugging Face, with nothing that writes."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from mlsecrets_transformers import LeaseTrainerCallback

from .net import BATCH, loss_of, net, numbers


class Model(torch.nn.Module):
    """The net, as the Trainer calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
        """One batch's loss."""
        return {"loss": loss_of(self.net, [inputs, labels])}


def _collate(rows: list[Any]) -> dict[str, torch.Tensor]:
    inputs, labels = zip(*rows, strict=True)
    return {"inputs": torch.stack(inputs), "labels": torch.stack(labels)}


def fit(steps: int, watched: bool, folder: str) -> None:  # noqa: FBT001
    """Train; with the callback, if told so."""
    trainer = Trainer(
        model=Model(),
        args=TrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
        data_collator=_collate,
        train_dataset=numbers(steps),
        callbacks=[LeaseTrainerCallback("train-data", "checkpoints")]
        if watched
        else [],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
