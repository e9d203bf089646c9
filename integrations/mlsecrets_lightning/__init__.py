"""Lightning on leased credentials.

::

    with lease("train-data", "checkpoints"):            # outermost: see below
        trainer = Trainer(
            callbacks=[
                LeaseCallback("train-data", "checkpoints"),
                ModelCheckpoint(dirpath="leases3://checkpoints/run-7"),
            ],
            plugins=[LeaseCheckpointIO()],
        )
        trainer.fit(model, data)

The block has to be around everything, the making of loggers and `ModelCheckpoint`
included: Lightning reads data, asks the tracking server and looks at the checkpoint
folder before it calls any callback, and does not call ``teardown`` after an exception.
So nothing here opens or ends a lease of a process that has the block, but `LeaseCLI`,
which is the block. Leases work without the other classes, and fail later where these
fail early.

Ranks that the Trainer spawns or forks (``ddp_spawn``, ``ddp_fork``) are processes
without a block. They may read data; to write, each has to join the leases of the block
around the Trainer, which `LeaseCallback` does, before the first checkpoint is looked
for. With ``ddp`` and torchrun each rank runs the whole program, block included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._callback import LeaseCallback
from ._checkpoint_io import LeaseCheckpointIO
from ._fabric import FabricRun

if TYPE_CHECKING:
    from ._cli import LeaseCLI
    from ._shards import LeaseFSDPStrategy, LeaseModelParallelStrategy

#: Imported when first used: these need more than most programs have loaded.
_HOMES = {
    "LeaseCLI": "_cli",
    "LeaseFSDPStrategy": "_shards",
    "LeaseModelParallelStrategy": "_shards",
}

__all__ = [
    "FabricRun",
    "LeaseCLI",
    "LeaseCallback",
    "LeaseCheckpointIO",
    "LeaseFSDPStrategy",
    "LeaseModelParallelStrategy",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
