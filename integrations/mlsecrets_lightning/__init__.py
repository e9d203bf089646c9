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
So nothing here opens or ends a lease. Both classes are optional: leases work without
them, and fail later where these fail early.
"""

from __future__ import annotations

from ._callback import LeaseCallback
from ._checkpoint_io import LeaseCheckpointIO

__all__ = ["LeaseCallback", "LeaseCheckpointIO"]
