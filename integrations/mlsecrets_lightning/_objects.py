"""Where checkpoints go, and whether a lease covers it."""

from __future__ import annotations

import os

import fsspec.config

from mlsecrets import hold, open_scopes
from mlsecrets.errors import NotLeased

PLAIN = "s3://"
LEASED = "leases3://"


def leased(path: str | os.PathLike[str]) -> str:
    """The path, with ``leases3://`` for ``s3://``.

    The two mean the same in the process that leases. In ranks that were spawned, plain
    ``s3://`` means whatever credentials the machine has.
    """
    text = os.fspath(path)
    return LEASED + text.removeprefix(PLAIN) if text.startswith(PLAIN) else text


def join(scope: str) -> None:
    """Make sure that an open lease is there and valid, and held by this process.

    Raises:
        NotLeased: it is not open, here or at the owner of this process's leases.
        LeaseExpired: it has expired, and the issuer gives nothing new.
    """
    known = [view.name for view in open_scopes()]
    if scope not in known:
        # `hold` would open it, and not end it with the block that is missing.
        raise NotLeased(
            f"no lease of {scope} is open; open: {', '.join(known) or 'none'}",
            remedy=f'open one around the whole program: with lease("{scope}"): …',
        )
    hold(scope).snapshot()


def check_writable(url: str) -> None:
    """Make sure that an object can be written now, without asking the store.

    In a rank without a block of its own, the lease that covers it is joined.

    Args:
        url: ``leases3://bucket/key``.

    Raises:
        NotLeased: no open lease covers writing it.
        LeaseExpired: the one that does has expired, and the issuer gives nothing new.
    """
    bucket, _, key = url.removeprefix(LEASED).partition("/")
    known = open_scopes()
    for view in known:
        if view.covers("write", bucket, key):
            hold(view.name).snapshot()
            return
    have = "; ".join(
        f"{view.name} ({', '.join(map(str, view.access))})" for view in known
    )
    raise NotLeased(
        f"no open lease covers writing {PLAIN}{bucket}/{key}; open: {have or 'none'}",
        remedy="lease a scope whose access says write of it, around the whole program",
    )


def stores_are_leased() -> bool:
    """Whether a lease of an object store is open, here or in the owning process."""
    return any("endpoint_url" in view.connection for view in open_scopes())


def plain_s3_is_leased() -> bool:
    """Whether ``s3://`` goes through leases in this process: not in spawned ones."""
    # A block puts its session there, and forked children inherit it.
    return "session" in fsspec.config.conf.get("s3", {})
