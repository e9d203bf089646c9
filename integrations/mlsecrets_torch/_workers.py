"""What a DataLoader's workers lack, for the datasets that need it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

from fsspec import AbstractFileSystem
from torch.utils.data import Dataset, get_worker_info

from mlsecrets.storage.worker_s3 import route_plain_s3


class WorkerInit:
    """A ``worker_init_fn`` for datasets with plain ``s3://`` URLs or a file system.

    ::

        DataLoader(dataset, num_workers=8, worker_init_fn=WorkerInit())

    Workers read leases without it: by ``leases3://`` URLs, and by a lease that the
    dataset holds. Two things work in the process that trains, and not in its workers:

    * Plain ``s3://`` URLs mean the leases there. In workers that were spawned, or come
      from a fork server, they would mean whatever credentials the machine has.
    * A file system that was made before a fork works no more after it: fsspec refuses.
      Those that the dataset has as attributes, and datasets in it, are made anew.

    It pickles if what it calls does.

    Args:
        then: called after it with the worker's number: a ``worker_init_fn`` of yours.
    """

    def __init__(self, then: Callable[[int], None] | None = None) -> None:
        self.then = then

    def __call__(self, worker: int) -> None:
        """Prepare this worker."""
        route_plain_s3()
        info = get_worker_info()
        if info is not None:
            _revive(info.dataset)
        if self.then is not None:
            self.then(worker)


def _revive(dataset: Dataset[Any]) -> None:
    """Make the file systems of a dataset anew that are of another process."""
    for name, value in list(vars(dataset).items()):
        if isinstance(value, AbstractFileSystem):
            if getattr(value, "_pid", os.getpid()) != os.getpid():
                setattr(dataset, name, pickle.loads(pickle.dumps(value)))  # noqa: S301
            continue
        for inner in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(inner, Dataset):
                _revive(inner)
