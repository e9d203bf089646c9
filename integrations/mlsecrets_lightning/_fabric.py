"""A Fabric loop, as `mlsecrets.training.ExpiryWatch` has it saved and ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lightning.fabric import Fabric

from mlsecrets.training import State

from ._loggers import flush, mark
from ._run import finish


class FabricRun:
    """What `ExpiryWatch` may ask of a loop with Fabric; each rank has one.

    ::

        with lease("train-data", "checkpoints"), ExpiryWatch() as watch:
            fabric = Fabric(plugins=[LeaseCheckpointIO()])
            fabric.launch()
            state = {"model": model, "optimizer": optimizer, "step": 0}
            run = FabricRun(fabric, state, "leases3://checkpoints/run-7/doomed.ckpt")
            for batch in batches:
                ...
                state["step"] += 1
                watch.step(run)     # after each step, on every rank

    Args:
        fabric: it, launched.
        state: what to save: as for `Fabric.save`, at the time of the save.
        path: where to.
    """

    def __init__(
        self, fabric: Fabric, state: Mapping[str, Any], path: str | os.PathLike[str]
    ) -> None:
        self._fabric = fabric
        self._state = state
        self._path = os.fspath(path)

    def any(self, here: bool) -> bool:  # noqa: FBT001  as in `Run`
        """Whether any rank says so."""
        return self._fabric.strategy.reduce_boolean_decision(here, all=False)

    def save(self) -> str:
        """Write a checkpoint, and wait until it is there; where it is."""
        self._fabric.save(self._path, dict(self._state))
        finish(self._fabric.strategy.checkpoint_io, self.any)
        return self._path

    def flush(self) -> None:
        """Have loggers send what they have queued."""
        if self._fabric.is_global_zero:
            flush(self._fabric.loggers)

    def mark(self, state: State, words: str) -> None:
        """Note it in the loggers' runs; before the end, wait for all ranks."""
        if self._fabric.is_global_zero:
            told = {"state": state, "reason": words, "checkpoint": self._path}
            mark(self._fabric.loggers, told)
        self._fabric.barrier("mlsecrets." + state)
