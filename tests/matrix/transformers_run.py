"""The Hugging Face Trainer: python -m tests.matrix.transformers_run, or by torchrun."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from mlsecrets_mlflow import tracking
from mlsecrets_transformers import LeaseTrainerCallback
from tests.matrix import script


class Net(torch.nn.Module):
    """Learns nothing of use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(script.WIDTH, 1)

    def forward(self, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss, as the Trainer wants it."""
        return {"loss": self.layer(numbers).square().mean()}


class Items(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The same objects, by the name of an argument of the model."""

    def __len__(self) -> int:
        return script.OBJECTS

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"numbers": script.read(index)}


class Ending(TrainerCallback):
    """Tells the test, and stops when it is told to."""

    steps: script.Steps

    def on_train_begin(
        self, args: TrainingArguments, state: Any, control: Any, **_: Any
    ) -> None:
        """Say who this is."""
        self.steps = script.Steps(args.process_index, args.world_size)

    def on_step_begin(
        self, args: TrainingArguments, state: Any, control: Any, **_: Any
    ) -> None:
        """All steps before this one have been logged."""
        if self.steps.over(state.global_step):
            control.should_training_stop = True

    def on_save(
        self, args: TrainingArguments, state: Any, control: Any, **_: Any
    ) -> None:
        """It is sent after this: callbacks are called in their order."""
        script.use("checkpoints")


def main() -> None:
    """Train until told to stop."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    told = script.Settings.told()
    os.environ["MLFLOW_EXPERIMENT_NAME"] = told.run
    with script.leased(), tracking(told.mlflow):
        script.use("mlflow")
        Trainer(
            model=Net(),
            args=TrainingArguments(
                output_dir=f"{told.folder}/local",
                run_name=told.run,
                report_to="mlflow",
                max_steps=100_000,
                logging_steps=1,
                save_steps=script.SAVE_EVERY,
                save_total_limit=1,
                per_device_train_batch_size=2,
                remove_unused_columns=False,
                dataloader_pin_memory=False,
                disable_tqdm=True,
                use_cpu=True,
                ddp_backend="gloo" if told.launcher == "torchrun" else None,
            ),
            train_dataset=Items(),
            callbacks=[
                Ending(),
                LeaseTrainerCallback(
                    *script.SCOPES, checkpoints=told.checkpoint.rpartition("/")[0]
                ),
            ],
        ).train()


if __name__ == "__main__":
    main()
