"""`reserve`: a stretch of validity, made sure of before a long transfer begins."""

from __future__ import annotations

import asyncio
from types import TracebackType

from .grant import Grant
from .issuer import Source
from .memory import Opaque


class Reservation(Opaque):
    """Validity for the length of a block; made by `Lease.reserve`.

    Entering renews ahead of time if it has to, or refuses. While the block lasts the
    credentials that it was entered with stay in memory, even if newer ones come: a
    transfer that was signed with them can go on with them.

    Args:
        source: the lease.
        seconds: how long the credentials must live from the entry on.
    """

    WHAT = "a reservation"
    INSTEAD = "send the lease, and reserve there"

    def __init__(self, source: Source, seconds: float) -> None:
        self._source = source
        self._seconds = checked(seconds)
        self._grant: Grant | None = None

    def __enter__(self) -> Grant:
        self._grant = self._source.ensure(self._seconds)
        return self._grant

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._grant = None

    async def __aenter__(self) -> Grant:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._grant = None

    def __repr__(self) -> str:
        return f"<Reservation of {self._seconds:g} s>"


def checked(seconds: float) -> float:
    """A stretch of time that can be asked for.

    Raises:
        ValueError: it is not a number of seconds above 0.
    """
    # Written so that a number that is none (nan) fails too.
    if not 0 < seconds < float("inf"):
        raise ValueError(f"a number of seconds above 0 is expected, got {seconds!r}")
    return float(seconds)
