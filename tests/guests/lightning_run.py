"""A run whose issuer goes away: python -m tests.guests.lightning_run OPTIONS.

OPTIONS is JSON: see `Options`. One line of JSON per rank says how it ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger
from torch.distributed.tensor import DTensor

import mlsecrets
from mlsecrets.training import ExpiryWatch, Policy, SaveRoom
from mlsecrets_lightning import (
    LeaseCallback,
    LeaseCheckpointIO,
    LeaseFSDPStrategy,
    LeaseModelParallelStrategy,
)
from mlsecrets_mlflow import tracking
from tests.guests.lightning_parts import Learner

SCOPES = "checkpoints", "mlflow"
BATCHES, EPOCHS = 4, 2
#: The batch in which the issuer goes: in the middle of an epoch.
HELD = 2


@dataclass(frozen=True)
class Options:
    """What to run.

    Args:
        name: of MLflow's run.
        manifest: where it is.
        folder: for checkpoints.
        mlflow: the tracking server.
        strategy: of the Trainer.
        on_doomed: what becomes of the run.
        hold: whether a batch of it takes until a lease is about to end.
        resume: a checkpoint, if it is to go on from one.
        reserve: seconds that a save is given.
    """

    name: str
    manifest: str
    folder: str
    mlflow: str
    strategy: str = "auto"
    on_doomed: Policy = "stop"
    hold: bool = False
    resume: str | None = None
    reserve: float = 3.0


class Sharded(Learner):
    """The same, in parts."""

    def configure_model(self) -> None:
        """As `ModelParallelStrategy` wants it."""
        if isinstance(self.trainer.strategy, LeaseModelParallelStrategy):
            from torch.distributed.fsdp import fully_shard

            assert self.device_mesh is not None
            mesh = self.device_mesh["data_parallel"]
            for layer in (self.first, self.last):
                fully_shard(layer, mesh=mesh)
            fully_shard(self, mesh=mesh)


Tell = Callable[..., None]


class Held(Callback):
    """A batch that takes until a lease ends; says so before."""

    def __init__(self, reserve: float, tell: Tell) -> None:
        self.reserve = reserve
        self.tell = tell

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Wait there."""
        if trainer.current_epoch or batch_idx != HELD:
            return
        if trainer.is_global_zero:
            self.tell(event="held")
        with ExpiryWatch(*SCOPES, room=SaveRoom(self.reserve)) as watch:
            while watch.due() is None:
                threading.Event().wait(0.05)


class Ended(Callback):
    """Says how far each rank has come; a process that spawned them does not know."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """The last thing in training."""
        self.tell(event="steps", steps=trainer.global_step)


def strategy_of(options: Options) -> Any:
    """By its name."""
    if options.strategy == "model_parallel":
        return LeaseModelParallelStrategy(
            data_parallel_size=2, tensor_parallel_size=1, reserve=options.reserve
        )
    if options.strategy == "fsdp":
        return LeaseFSDPStrategy(state_dict_type="sharded", reserve=options.reserve)
    return options.strategy


def trainer_of(options: Options, tell: Tell) -> Trainer:
    """A Trainer as users have it."""
    held = [Held(options.reserve, tell)] if options.hold else []
    return Trainer(
        strategy=strategy_of(options),
        accelerator="cpu",
        devices=1 if options.strategy == "auto" else 2,
        max_epochs=EPOCHS,
        log_every_n_steps=1,
        logger=MLFlowLogger(
            "stops",
            run_name=options.name,
            tracking_uri=options.mlflow,
            synchronous=False,
        ),
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            *held,
            LeaseCallback(*SCOPES, on_doomed=options.on_doomed),
            ModelCheckpoint(dirpath=options.folder),
            Ended(tell),
        ],
        plugins=[LeaseCheckpointIO(reserve=options.reserve)],
    )


def weights_of(model: torch.nn.Module) -> str:
    """A digest of all of them."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        digest.update(whole.numpy().tobytes())
    return digest.hexdigest()


def say(**words: Any) -> None:
    """A line for the test."""
    line = json.dumps({"rank": os.environ.get("LOCAL_RANK", "0"), **words})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def train(options: Options, tell: Tell) -> None:
    """Train, and tell how it ended."""
    with (
        warnings.catch_warnings(),
        mlsecrets.lease(*SCOPES),
        tracking(options.mlflow),
    ):
        warnings.simplefilter("ignore")  # hosts' own
        trainer = trainer_of(options, tell)
        model = Sharded(BATCHES)
        try:
            trainer.fit(model, ckpt_path=options.resume)
        except mlsecrets.errors.LeaseDoomed as stopped:
            tell(event="stopped", checkpoint=stopped.checkpoint, words=str(stopped))
            raise
        tell(
            event="ended",
            weights=weights_of(model),
            loss=float(trainer.callback_metrics["loss"]),
        )


if __name__ == "__main__":
    told = Options(**json.loads(sys.argv[1]))
    mlsecrets.configure(told.manifest, sweep="never")
    torch.set_num_threads(1)
    train(told, say)
