"""The leases of a process that Lightning may have started, and where stores are."""

from __future__ import annotations

import fsspec.config

from mlsecrets import hold, open_scopes
from mlsecrets_torch.objects import LEASED, covering, leased


def check_writable(url: str) -> str:
    """Make sure that an object can be written now, without asking the store.

    In a rank without a block of its own, the lease that covers it is joined.

    Args:
        url: ``leases3://bucket/key``.

    Returns:
        The name of the scope that covers it.

    Raises:
        NotLeased: no open lease covers writing it.
        LeaseExpired: the one that does has expired, and the issuer gives nothing new.
    """
    scope = covering("write", url)
    hold(scope).snapshot()
    return scope


def at_store(folder: str) -> str | None:
    """The leased URL of a folder at a store; None for one elsewhere.

    Plain ``s3://`` is leased where a lease of a store is open, here or in the process
    that owns this one's leases.
    """
    url = leased(folder).rstrip("/")
    if url.startswith(LEASED) and (folder.startswith(LEASED) or _stores_are_leased()):
        return url
    return None


def _stores_are_leased() -> bool:
    return any("endpoint_url" in view.connection for view in open_scopes())


def plain_s3_is_leased() -> bool:
    """Whether ``s3://`` goes through leases in this process: not in spawned ones."""
    # A block puts its session there, and forked children inherit it.
    return "session" in fsspec.config.conf.get("s3", {})
