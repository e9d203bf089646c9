"""A loop without a framework."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from mlsecrets.training import ExpiryWatch
from mlsecrets_torch import TorchRun

from .net import BATCH, loss_of, net, numbers


def fit(steps: int, watched: bool, folder: str) -> None:  # noqa: FBT001
    """Train; asks the watch after each step, if told so."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(numbers(steps), BATCH)
    with ExitStack() as held:
        watch = held.enter_context(ExpiryWatch()) if watched else None
        run = TorchRun(save=lambda: None)
        for batch in loader:
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            optimizer.step()
            if watch is not None:
                watch.step(run)
