"""Plain ``s3://`` URLs in a worker: on leases while its node's owner has some.

A worker starts before leases are opened and outlives them, so what fsspec reads is
decided anew for each file system that is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlsecrets import open_scopes
from mlsecrets.errors import NotLeased
from mlsecrets.storage._route import Router, client_settings
from mlsecrets.storage._session import LeaseSession


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
            if not open_scopes():
                return self._before
            settings = client_settings(Router().connection())
        except NotLeased:
            return self._before  # of other kinds, or of several stores
        endpoint = settings.pop("endpoint_url", None)
        return {
            "session": LeaseSession(),
            "client_kwargs": settings,
            **({"endpoint_url": endpoint} if endpoint else {}),
        }


def route_plain_s3() -> None:
    """Put plain ``s3://`` URLs of this process on its node's leases."""
    from fsspec.config import conf

    before = conf.get("s3", {})
    if not isinstance(before, _Settings):
        conf["s3"] = _Settings(before)
