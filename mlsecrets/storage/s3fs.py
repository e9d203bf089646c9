"""s3fs on leases: the ``leases3://`` scheme, and plain ``s3://`` inside a block.

>>> import fsspec
>>> with mlsecrets.lease("train-data"):                      # doctest: +SKIP
...     fsspec.open("leases3://datasets/digits/train/0000.parquet")
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import s3fs

from ._route import Router, client_settings
from ._session import LeaseSession

#: Where the store of a file system is that is being unpickled.
_ARRIVING: ContextVar[Mapping[str, str] | None] = ContextVar(
    "mlsecrets-arriving", default=None
)


class LeaseS3FileSystem(s3fs.S3FileSystem):
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
                f"leases3 takes no {', '.join(sorted(given))}: credentials are leased"
            )
        self._where = dict(_ARRIVING.get() or Router(scope).connection())
        settings = client_settings(self._where)
        settings |= options.pop("client_kwargs", {})
        super().__init__(
            session=LeaseSession(scope),
            endpoint_url=options.pop(
                "endpoint_url", settings.pop("endpoint_url", None)
            ),
            client_kwargs=settings,
            **options,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # With the address, so that nothing can fail where it arrives: a pool that
        # cannot unpickle a task because of an OSError waits for it for ever.
        made_of = (type(self), self.storage_args, self.storage_options)
        return (_arrived, (*made_of, self._where))

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        # Paths that somebody copied from elsewhere. Not by a second `protocol`: fsspec
        # would apply the settings of plain s3 to this class, too.
        if isinstance(path, str) and path.startswith("s3://"):
            path = path[len("s3://") :]
        return super()._strip_protocol(path)

    async def _mkdir(self, path: str, *args: Any, **kwargs: Any) -> None:
        # S3 keeps no folders, and no lease can make a bucket: s3fs would ask for the
        # bucket twice before each checkpoint, and be refused once.
        bucket, key, _ = self.split_path(self._strip_protocol(path).rstrip("/"))
        if not key:
            raise FileExistsError(f"{bucket}: leases do not make buckets")


def _arrived(
    cls: type[LeaseS3FileSystem],
    args: tuple[Any, ...],
    options: dict[str, Any],
    where: Mapping[str, str],
) -> LeaseS3FileSystem:
    # Not as an option: fsspec tells file systems apart by these.
    before = _ARRIVING.set(where)
    try:
        return cls(*args, **options)
    finally:
        _ARRIVING.reset(before)
