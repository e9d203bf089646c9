"""Where checkpoints go, and which lease covers them; for this guest and others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mlsecrets import Lease, lease, open_scopes
from mlsecrets.access import Verb
from mlsecrets.errors import NotLeased
from mlsecrets.training import SaveRoom

PLAIN = "s3://"
LEASED = "leases3://"


def leased(path: str | os.PathLike[str]) -> str:
    """The path, with ``leases3://`` for ``s3://``.

    The two mean the same in the process that leases. In processes that were spawned,
    plain ``s3://`` means whatever credentials the machine has.
    """
    text = os.fspath(path)
    return LEASED + text.removeprefix(PLAIN) if text.startswith(PLAIN) else text


def covering(verb: Verb, url: str) -> str:
    """The open lease that covers an object; nothing is asked of the store.

    Args:
        verb: what is to be done with it.
        url: ``leases3://bucket/key``.

    Returns:
        The name of its scope.

    Raises:
        NotLeased: there is none; the message says what is open.
    """
    bucket, _, key = url.removeprefix(LEASED).partition("/")
    known = open_scopes()
    for view in known:
        if view.covers(verb, bucket, key):
            return view.name
    have = "; ".join(
        f"{view.name} ({', '.join(map(str, view.access))})" for view in known
    )
    gerund = "writing" if verb == "write" else "reading"
    raise NotLeased(
        f"no open lease covers {gerund} {PLAIN}{bucket}/{key}; open: {have or 'none'}",
        remedy=f"lease a scope whose access says {verb} of it, around the whole "
        "program",
    )


@contextmanager
def using(verb: Verb, url: str) -> Iterator[Lease | None]:
    """A block that holds the lease that covers an object, and with it those beside it.

    So the lease outlives the program's own block if that ends meanwhile; and a process
    that was started inside of that one is more than a worker, which may not write.

    Args:
        verb: what is done with it.
        url: ``leases3://bucket/key``; other URLs need no lease, and have None.

    Raises:
        NotLeased: no open lease covers it.
        LeaseClosed, LeaseExpired: it is not usable any more.
    """
    if not url.startswith(LEASED):
        yield None
        return
    with lease(covering(verb, url)) as held:
        held.snapshot()
        yield held


@contextmanager
def writing(url: str, room: SaveRoom) -> Iterator[None]:
    """The same for a save, whose time is made sure of before.

    Args:
        url: as for `using`.
        room: how long it may take.

    Raises:
        LeaseTooShort: the lease cannot be valid for as long as was asked for.
        NotLeased, LeaseClosed, LeaseExpired: as for `using`.
    """
    with using("write", url) as held:
        if held is None:
            yield
        else:
            with room.around(held):
                yield
