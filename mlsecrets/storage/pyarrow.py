"""pyarrow on leases, through fsspec: the secret key stays in locked memory.

pyarrow's own `S3FileSystem` signs in C++ with strings that it is given once: it pickles
them, and fails when they expire. So this is not that one.
"""

from __future__ import annotations

from typing import Any

from pyarrow.fs import FSSpecHandler, PyFileSystem

from .s3fs import LeaseS3FileSystem


def filesystem(scope: str, **options: Any) -> PyFileSystem:
    """A pyarrow file system on a lease; it pickles without a secret.

    Args:
        scope: of the lease.
        options: as for `s3fs.S3FileSystem`, but no credentials.
    """
    return PyFileSystem(FSSpecHandler(LeaseS3FileSystem(scope=scope, **options)))
