"""Strategies that write their checkpoints themselves, and would not find the store.

They take every path for one of the local disk: ``leases3://bucket/run`` becomes a
folder ``leases3:`` in the working directory, on each node, without a word.
"""

from __future__ import annotations

from lightning.pytorch.strategies import (
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
)

from mlsecrets.errors import LeaseError


class WritesToStore:
    """Marks those that do find it."""


def refuse_local_shards(strategy: object) -> None:
    """Make sure that a strategy can write checkpoints to a store.

    Raises:
        LeaseError: it cannot.
    """
    local = (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy)
    if not isinstance(strategy, local) or isinstance(strategy, WritesToStore):
        return
    raise LeaseError(
        f"{type(strategy).__name__} writes checkpoints to the local disk, also those "
        "with a URL",
        remedy="take LeaseFSDPStrategy or LeaseModelParallelStrategy, or give "
        "ModelCheckpoint a local dirpath",
    )
