"""Plain torch training and distributed checkpoints on leased credentials.

::

    from torch.distributed import checkpoint as dcp

    def save():
        dcp.save(state(), storage_writer=LeaseWriter(url()))
        return url()

    run = TorchRun(save)
    with lease("train-data", "checkpoints"), ExpiryWatch() as watch:
        dcp.load(state(), storage_reader=LeaseReader(url()))
        for batch in batches:
            train(batch)
            watch.step(run)        # a checkpoint in time, then LeaseDoomed

The blocks are around everything, on each rank.
"""

from __future__ import annotations

from ._dcp import LeaseReader, LeaseWriter, async_save
from ._run import TorchRun
from ._workers import WorkerInit

__all__ = ["LeaseReader", "LeaseWriter", "TorchRun", "WorkerInit", "async_save"]
