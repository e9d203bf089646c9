"""The file system that Train and Tune keep their runs on."""

from __future__ import annotations

import os
from typing import Any

from pyarrow.fs import FSSpecHandler, PyFileSystem

from mlsecrets import Lease, join


class _Joining(FSSpecHandler):
    """Holds its lease in each process that uses it, from the first use on.

    A process that was handed it is to write with it. What it is made of travels, and
    holds no secret; where it arrives it takes no socket and can fail in no way until it
    is used.
    """

    def __init__(self, scope: str, fs: Any) -> None:
        self._scope = scope
        self._fs = fs
        #: The process that holds the lease: a copy in another one does not yet.
        self._joined = 0

    @property
    def fs(self) -> Any:
        if self._joined != os.getpid():
            join(self._scope)
            self._joined = os.getpid()
        return self._fs


def storage_filesystem(lease: Lease, **options: Any) -> PyFileSystem:
    """For ``RunConfig(storage_filesystem=…)`` of Train and Tune.

    Unlike `Lease.pyarrow_filesystem` it also writes with a lease that is not shared
    with workers: each process of Ray's that uses it, such as the controller of a run,
    joins its node's owner for that, without a call to the issuer.

    Args:
        lease: of the driver's block.
        options: as for `s3fs.S3FileSystem`, but no credentials.
    """
    return PyFileSystem(_Joining(lease.scope, lease.filesystem(**options)))
