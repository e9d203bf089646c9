"""A net and data as small as can be, in a module that spawned ranks can import."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import fsspec
import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader, Dataset

from mlsecrets import Reference

#: Objects that the data has, and numbers in each.
OBJECTS, WIDTH = 8, 16
FOLDER = "digits/tiny"


class Stored(Dataset[torch.Tensor]):
    """Reads one object of the store for each item, every time."""

    def __len__(self) -> int:
        return OBJECTS

    def __getitem__(self, index: int) -> torch.Tensor:
        with fsspec.open(f"leases3://datasets/{FOLDER}/{index}.bin") as file:
            return torch.frombuffer(bytearray(file.read()), dtype=torch.float32)


class TinyNet(LightningModule):
    """Learns nothing of use.

    Args:
        workers: processes of the data loader.
        options: what a user may pass along, such as a lease's storage options.
    """

    def __init__(self, workers: int = 0, options: Any = None) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.workers = workers
        self.layer = torch.nn.Linear(WIDTH, 1)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        """Log the loss of one batch."""
        loss: torch.Tensor = self.layer(batch).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        """Two batches an epoch, read from the store."""
        return DataLoader(Stored(), batch_size=4, num_workers=self.workers)


class Until(Callback):
    """Trains for some seconds and three generations at least, and notes each secret."""

    def __init__(self, seconds: float, *scopes: str) -> None:
        self.seconds = seconds
        self.scopes = scopes
        self.secrets: set[str] = set()
        self.generations: dict[str, set[int]] = {scope: set() for scope in scopes}

    def on_train_start(self, trainer: Any, pl_module: LightningModule) -> None:
        """Begin to count."""
        self.end = time.monotonic() + self.seconds

    def on_train_epoch_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """Note what is live; stop when it is time."""
        for scope in self.scopes:
            grant = Reference(scope).source().snapshot()
            self.generations[scope].add(grant.terms.generation)
            self.secrets |= {
                grant.credentials.reveal(field) for field in grant.credentials.FIELDS
            }
        several = all(len(seen) > 2 for seen in self.generations.values())
        trainer.should_stop = several and time.monotonic() > self.end


class Interrupt(Callback):
    """Raises in the middle of training."""

    def on_train_epoch_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """Raise."""
        raise ZeroDivisionError("in the middle of training")


class Batches:
    """Batches in an order of its own each epoch, which can be resumed in the middle.

    Args:
        count: how many an epoch has.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.epoch = 0
        self.position = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[torch.Tensor]:
        # Nobody asks for more than there is, so the end of an epoch is not noticed.
        if self.position == self.count:
            self.epoch, self.position = self.epoch + 1, 0
        order = torch.Generator().manual_seed(self.epoch)
        for index in torch.randperm(self.count, generator=order)[self.position :]:
            self.position += 1
            content = torch.Generator().manual_seed(int(index))
            yield torch.randn(4, WIDTH, generator=content)

    def state_dict(self) -> dict[str, int]:
        """Where it is."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on there."""
        self.epoch, self.position = state["epoch"], state["position"]


class Learner(LightningModule):
    """Learns with all that a checkpoint has to keep: momentum, schedule, position.

    Args:
        batches: in each epoch.
    """

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches
        torch.manual_seed(7)
        self.first = torch.nn.Linear(WIDTH, WIDTH)
        self.last = torch.nn.Linear(WIDTH, 1)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        """Log the loss of one batch."""
        loss: torch.Tensor = self.last(self.first(batch).tanh()).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """Adam, slower at each step."""
        adam = torch.optim.Adam(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.ExponentialLR(adam, 0.99)
        return [adam], [{"scheduler": schedule, "interval": "step"}]

    def train_dataloader(self) -> Batches:
        """Those that can be resumed."""
        return Batches(self.batches)
