"""The net and the numbers that every framework trains on: two milliseconds a step."""

from __future__ import annotations

import torch

WIDTH, BATCH = 256, 128


def net() -> torch.nn.Module:
    """Three layers."""
    return torch.nn.Sequential(
        torch.nn.Linear(WIDTH, 512),
        torch.nn.ReLU(),
        torch.nn.Linear(512, 512),
        torch.nn.ReLU(),
        torch.nn.Linear(512, 1),
    )


def numbers(steps: int) -> torch.utils.data.TensorDataset:
    """One batch for each step, in memory."""
    torch.manual_seed(0)
    inputs = torch.randn(BATCH * steps, WIDTH)
    return torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))


def loss_of(model: torch.nn.Module, batch: list[torch.Tensor]) -> torch.Tensor:
    """Mean square."""
    inputs, targets = batch
    error: torch.Tensor = (model(inputs) - targets).square().mean()
    return error
