"""A Trainer as small as can be, whose runs are the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

STEPS, WIDTH = 12, 4


class Net(torch.nn.Module):
    """Learns to add."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.layer = torch.nn.Linear(WIDTH, 1)

    def forward(self, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss, as the Trainer wants it."""
        wanted = numbers.sum(1, keepdim=True)
        return {"loss": (self.layer(numbers) - wanted).square().mean()}


class Items(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Numbers that are the same in every run."""

    def __len__(self) -> int:
        return 2 * STEPS

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        draws = torch.Generator().manual_seed(index)
        return {"numbers": torch.randn(WIDTH, generator=draws)}


class Before(TrainerCallback):
    """Calls something before one step."""

    def __init__(self, step: int, call: Callable[[], None]) -> None:
        self.step = step
        self.call = call

    def on_step_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Call it."""
        if state.global_step == self.step:
            self.call()


def trainer(folder: Path | str, *callbacks: TrainerCallback, **options: Any) -> Trainer:
    """A Trainer that shows nothing."""
    quiet = {
        "output_dir": str(folder),
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "learning_rate": 0.05,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "seed": 7,
    }
    return Trainer(
        model=Net(),
        args=TrainingArguments(**{**quiet, **options}),
        train_dataset=Items(),
        callbacks=list(callbacks),
    )


def numbers(model: torch.nn.Module) -> list[float]:
    """All weights of a model."""
    return [float(x) for p in model.parameters() for x in p.detach().flatten()]


def weights(run: Trainer) -> list[float]:
    """All that a run has."""
    assert run.model is not None
    return numbers(run.model)


def losses(run: Trainer) -> list[float]:
    """That of each step."""
    return [entry["loss"] for entry in run.state.log_history if "loss" in entry]
