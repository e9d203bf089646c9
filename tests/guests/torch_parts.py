"""Torch programs as small as can be, in a module that other processes can import.

As a program it is one of several ranks: torchrun -m tests.guests.torch_parts MANIFEST
URL; each prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import fsspec
import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType, save
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.data import Dataset

import mlsecrets
from mlsecrets.training import ExpiryWatch
from mlsecrets_torch import LeaseReader, LeaseWriter, TorchRun, async_save


class Sized(Dataset[int]):
    """Reads one object for each item: by a plain URL, or by a file system."""

    def __init__(self, filesystem: Any = None) -> None:
        self.filesystem = filesystem

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        path = f"datasets/digits/tiny/{index}.bin"
        if self.filesystem is not None:
            return len(self.filesystem.cat_file(path))
        with fsspec.open(f"s3://{path}") as file:
            return len(file.read())


class Loop:
    """A regression whose batches and steps are the same in every run.

    Args:
        url: where its checkpoints go, one folder for each.
        before: called before each step, with its number.
    """

    STEPS = 12

    def __init__(self, url: str, before: Callable[[int], None] | None = None) -> None:
        self.url = url
        self.before = before
        self.draws = torch.Generator().manual_seed(7)
        self.net = torch.nn.Linear(4, 1)
        with torch.no_grad():
            self.net.weight.fill_(0.5)
            self.net.bias.zero_()
        self.descent = torch.optim.Adam(self.net.parameters(), lr=0.1)
        self.step = 0
        self.loss = float("nan")

    def save(self) -> str:
        """A checkpoint to resume from; where."""
        url = f"{self.url}/step-{self.step}"
        save(self._state(), storage_writer=LeaseWriter(url))
        return url

    def load(self, url: str) -> None:
        """Go on from a checkpoint."""
        state = self._state()
        load(state, storage_reader=LeaseReader(url))
        model, optimizer = state["model"], state["optimizer"]
        set_state_dict(
            self.net, self.descent, model_state_dict=model, optim_state_dict=optimizer
        )
        self.draws.set_state(state["draws"])
        self.step = state["step"]

    def train(self, after: Callable[[], None] = lambda: None) -> float:
        """Take the steps that are left; the last loss."""
        while self.step < self.STEPS:
            if self.before is not None:
                self.before(self.step)
            batch = torch.randn(8, 4, generator=self.draws)
            loss = (self.net(batch) - batch.sum(1, keepdim=True)).square().mean()
            self.descent.zero_grad()
            loss.backward()
            self.descent.step()
            self.step += 1
            self.loss = loss.item()
            after()
        return self.loss

    def _state(self) -> dict[str, Any]:
        model, optimizer = get_state_dict(self.net, self.descent)
        return {
            "model": model,
            "optimizer": optimizer,
            "draws": self.draws.get_state(),
            "step": self.step,
        }


def sharded(seed: int) -> torch.nn.Module:
    """A net whose parameters are shared out among the ranks."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.Linear(6, 2))
    for layer in net:
        fully_shard(layer)
    fully_shard(net)
    return net


def whole(net: torch.nn.Module) -> dict[str, Any]:
    """All parameters, gathered from the ranks."""
    return {
        name: value.full_tensor().tolist() if isinstance(value, DTensor) else None
        for name, value in net.state_dict().items()
    }


def rank(manifest: str, url: str) -> dict[str, Any]:
    """Save and load in all ways; what came of each."""
    mlsecrets.configure(manifest, sweep="never")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found: dict[str, Any] = {"rank": dist.get_rank()}
    with mlsecrets.lease("checkpoints"), ExpiryWatch("checkpoints") as watch:
        run = TorchRun(lambda: None)
        found["any"] = [run.any(dist.get_rank() == 1), run.any(False)]
        watch.step(run)  # nothing is wrong
        net = sharded(1)
        before = whole(net)
        save({"net": net}, storage_writer=LeaseWriter(f"{url}/plain"))
        for kind in AsyncCheckpointerType:
            writer = LeaseWriter(f"{url}/{kind.value}")
            saving = async_save(
                {"net": net}, storage_writer=writer, async_checkpointer_type=kind
            )
            saving.result(timeout=60)
        for place in ("plain", "thread", "process"):
            again = sharded(2)
            found[f"{place} before"] = whole(again) == before
            state = {"net": again.state_dict()}
            load(state, storage_reader=LeaseReader(f"{url}/{place}"))
            again.load_state_dict(state["net"])
            found[place] = whole(again) == before
    dist.destroy_process_group()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rank(*sys.argv[1:])) + "\n")
