"""s3fs on leases: the ``leases3://`` scheme, and plain ``s3://`` inside a block.

>>> import fsspec
>>> with mlsecrets.lease("train-data"):                      # doctest: +SKIP
...     fsspec.open("leases3://datasets/digits/train/0000.parquet")
"""

from __future__ import annotations

from typing import Any

import s3fs

from ._route import Router, client_settings
from ._session import LeaseSession


class LeaseS3FileSystem(s3fs.S3FileSystem):  # type: ignore[misc]  # s3fs is untyped
    """An S3 file system whose requests are signed by whichever open lease covers them.

    It holds no secret: its `storage_options`, pickle and JSON have the scope's name at
    most. Found by fsspec through its entry point, so that a plain ``leases3://`` URL
    works in any process of the job, whatever way it was started.

    Args:
        scope: sign everything with this lease; else the lease is chosen by bucket, key
            and operation.
        options: as for `s3fs.S3FileSystem`, but no credentials.

    Raises:
        NotLeased: no lease is open that could be meant.
    """

    protocol = ("leases3",)

    def __init__(self, scope: str | None = None, **options: Any) -> None:
        given = {"key", "secret", "token", "session", "profile"} & options.keys()
        if given:
            raise TypeError(
                f"leases3 takes no {', '.join(sorted(given))}: its credentials are leased"
            )
        settings = client_settings(Router(scope).connection())
        settings |= options.pop("client_kwargs", {})
        super().__init__(
            session=LeaseSession(scope),
            endpoint_url=options.pop(
                "endpoint_url", settings.pop("endpoint_url", None)
            ),
            client_kwargs=settings,
            **options,
        )
