"""Plain ``s3://`` URLs in a worker: on its owner's leases, while there are any.

A worker may start before leases are opened and outlive them, so what fsspec reads is
decided anew for each file system that is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._forks import importing
from .._reference import views
from ..errors import NotLeased
from .plain_s3 import options


def route_plain_s3() -> None:
    """Put plain ``s3://`` URLs of this process on the leases that it reads.

    For processes that no block of their parent has prepared: those that were spawned,
    and those of Ray. What the caller says explicitly wins over it.
    """
    with importing():
        from fsspec.config import conf

    before = conf.get("s3", {})
    if not isinstance(before, _Settings):
        conf["s3"] = _Settings(before)


class _Settings(Mapping[str, Any]):
    """What `fsspec.config.conf` holds for ``s3``; its keys are read last of all.

    Args:
        before: what was configured there, for when there are no leases.
    """

    def __init__(self, before: Mapping[str, Any]) -> None:
        self._before = before

    def __getitem__(self, name: str) -> Any:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> Mapping[str, Any]:
        try:
            return options() if views(fresh=True) else self._before
        except NotLeased:
            return self._before  # of other kinds, or of several stores
