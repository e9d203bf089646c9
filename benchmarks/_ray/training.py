"""A training run that can be stopped and resumed, and comes to the same loss."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train

from mlsecrets import Lease
from mlsecrets.clock import SYSTEM_CLOCK, pause
from mlsecrets.training import ExpiryWatch
from mlsecrets_ray.train import TrainRun

#: Seconds between two looks while a run waits for its lease to be doomed.
IDLE = 0.02


class Model:
    """One number, which each object that is read changes."""

    def __init__(self, step: int = 0, weight: float = 0.5) -> None:
        self.step = step
        self.weight = weight

    def learn(self, content: bytes) -> None:
        """One step; no two objects can change places."""
        mean = sum(content) / len(content) / 255
        self.weight += 0.1 * (mean - self.weight)
        self.step += 1

    def save(self, folder: str) -> None:
        """Write it down."""
        Path(folder, "model.json").write_text(json.dumps(vars(self)))

    @classmethod
    def load(cls, folder: str) -> Model:
        """As it was saved."""
        return cls(**json.loads(Path(folder, "model.json").read_text()))


def train(config: Mapping[str, Any]) -> None:
    """A worker: reads, steps, and is saved when its leases end.

    Args:
        config: ``data``, the lease; ``paths`` of its objects, one a step; ``on_doomed``
            for the watch; ``issuer``, a process that is suspended at step ``away_at``
            until the run is paused; ``notes``, a file for what the run was marked with.
    """
    data: Lease = config["data"]
    model, rank = _begin(), ray.train.get_context().get_world_rank()
    marks: list[str] = []

    def mark(state: str, words: str) -> None:
        marks.append(state)
        with Path(config["notes"]).open("a") as notes:
            notes.write(f"{rank} {state} at {model.step}\n")
        if state == "paused":
            os.kill(config["issuer"], signal.SIGCONT)

    with ExpiryWatch(on_doomed=config["on_doomed"]) as watch:
        run = TrainRun(lambda: _report(model), mark=mark)
        files = data.filesystem()
        while model.step < len(config["paths"]):
            if model.step == config["away_at"] and not marks:
                os.kill(config["issuer"], signal.SIGSTOP)
                pause(SYSTEM_CLOCK, IDLE)
            else:
                model.learn(files.cat_file(config["paths"][model.step]))
            watch.step(run)
        _report(model)


def _begin() -> Model:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return Model()
    with checkpoint.as_directory() as folder:
        return Model.load(folder)


def _report(model: Model) -> None:
    metrics = {"step": model.step, "weight": model.weight}
    if ray.train.get_context().get_world_rank() > 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        ray.train.report(
            metrics, checkpoint=ray.train.Checkpoint.from_directory(folder)
        )
