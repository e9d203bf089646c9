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
So nothing here opens or ends a lease of a process that has the block. There both
classes are optional: leases work without them, and fail later where these fail early.

Ranks that the Trainer spawns or forks (``ddp_spawn``, ``ddp_fork``) are processes
without a block. They may read data; to write, each has to join the leases of the block
around the Trainer, which `LeaseCallback` does, before the first checkpoint is looked
for. With ``ddp`` and torchrun each rank runs the whole program, block included.
"""

from __future__ import annotations

from ._callback import LeaseCallback
from ._checkpoint_io import LeaseCheckpointIO

__all__ = ["LeaseCallback", "LeaseCheckpointIO"]
