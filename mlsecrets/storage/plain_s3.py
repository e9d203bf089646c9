"""Plain ``s3://`` URLs on leases, for as long as a block lasts.

``fsspec.config.conf`` is read each time a file system is made, and what the caller
says explicitly wins over it. It is a module's dict: forked children inherit it, spawned
ones do not, and use ``leases3://`` instead.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from .._forks import after_fork, importing
from ..errors import NotLeased
from ._route import Router, client_settings
from ._session import LeaseSession

_lock = threading.Lock()
_users = 0
_before: Any = None


def enter() -> None:
    """A block with an S3 lease begins: route plain ``s3://`` through it."""
    global _users, _before  # noqa: PLW0603  as global as what it changes
    with importing():  # a child forked in the middle could never import it
        from fsspec.config import conf

    with _lock:
        if _users == 0:
            _before = conf.get("s3")
        _users += 1
        _route(conf)


def leave(count: int = 1) -> None:
    """Leases end: put back what was there, and drop file systems made in between.

    Args:
        count: how many of those that `enter` was called for.
    """
    global _users  # noqa: PLW0603
    from fsspec.config import conf

    with _lock:
        _users -= count
        if _users:
            _route(conf)
        else:
            _restore(conf)
        drop_cached()


def options() -> dict[str, Any]:
    """What makes a file system of s3fs work on the leases that are open.

    Raises:
        NotLeased: none is of a store, or they lie at several: one URL scheme cannot
            mean all of them.
    """
    settings = client_settings(Router().connection())
    options: dict[str, Any] = {"session": LeaseSession()}
    if "endpoint_url" in settings:
        options["endpoint_url"] = settings.pop("endpoint_url")
    return {**options, "client_kwargs": settings}


def _route(conf: dict[str, Any]) -> None:
    try:
        conf["s3"] = options()
    except NotLeased:
        _restore(conf)


def _restore(conf: dict[str, Any]) -> None:
    if _before is None:
        conf.pop("s3", None)
    else:
        conf["s3"] = _before


def drop_cached() -> None:
    """Take leased file systems out of fsspec's instance cache."""
    s3fs = sys.modules.get("s3fs")
    own = sys.modules.get("mlsecrets.storage.s3fs")
    for kind in (
        *([s3fs.S3FileSystem] if s3fs else []),
        *([own.LeaseS3FileSystem] if own else []),
    ):
        # fsspec has clear_instance_cache(), but that would drop the user's own as well.
        for token, fs in list(kind._cache.items()):  # noqa: SLF001  see above
            if isinstance(fs.session, LeaseSession):
                del kind._cache[token]  # noqa: SLF001


def _forget() -> None:
    """In a forked child: the lock may be held for ever; what is routed stays so."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


after_fork(_forget)
