"""Plain torch training and distributed checkpoints on leased credentials.

::

    import torch.distributed.checkpoint as dcp

    with lease("checkpoints"):                    # around everything, on each rank
        url = "leases3://checkpoints/run-7/step-9"
        dcp.save(state, storage_writer=LeaseWriter(url))
        dcp.load(state, storage_reader=LeaseReader(url))
"""

from __future__ import annotations

from ._dcp import LeaseReader, LeaseWriter, async_save

__all__ = ["LeaseReader", "LeaseWriter", "async_save"]
