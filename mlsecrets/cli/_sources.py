"""Where the lines of ``mlsecrets top`` come from, looked at again and again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .._broker._lock import NOBODY
from .._broker._place import Place, places
from ..errors import NotLeased, OwnerGone
from ..timeline._journal import Tail
from ._errors import unreadable
from ._leases import LeaseLine, Lines
from ._owner import ask

#: Seconds for an owner's answer: one that was stopped holds up the others.
TIMEOUT = 0.5
#: Seconds for which a lease is shown that has lapsed.
LAPSED = 60.0


@dataclass(frozen=True)
class Sight:
    """What there is to be seen now.

    Attributes:
        leases: one line each.
        notes: what could not be seen, a sentence each.
    """

    leases: list[LeaseLine]
    notes: list[str]


class Source(Protocol):
    """Whom to ask."""

    def look(self) -> Sight:
        """Everything, as it is now."""


class OfOwners:
    """The owners of leases: of one job, or all of this user's on this machine.

    Args:
        socket: where the owner of the one job listens.
    """

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket
        # Not asked again: each refusal is written into the journal of the job.
        self._refused: dict[Path, str] = {}

    def look(self) -> Sight:
        """Ask each of them."""
        leases: list[LeaseLine] = []
        notes: list[str] = []
        for socket in self._sockets():
            try:
                if socket not in self._refused:
                    leases += ask(socket, TIMEOUT).leases
            except OwnerGone as gone:
                notes.append(str(gone))
            except NotLeased as refused:
                self._refused[socket] = f"{refused}: {socket}"
            if socket in self._refused:
                notes.append(self._refused[socket])
        return Sight(sorted(leases, key=lambda line: (line.pid, line.scope)), notes)

    def _sockets(self) -> list[Path]:
        if self._socket is not None:
            return [self._socket]
        return [place.socket for place in places() if _is_owned(place)]


class OfJournal:
    """A journal, which may grow, or not be there yet.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail = Tail(path)
        self._lines = Lines()

    def look(self) -> Sight:
        """Read what is new.

        Raises:
            CommandError: it is there, and cannot be read.
        """
        try:
            for event in self._tail.new():
                self._lines.note(event)
        except OSError as error:
            raise unreadable(self._path, error) from None
        odd = self._tail.strange
        notes = [f"{self._path} has {odd} line(s) that are no events"] if odd else []
        if not self._path.exists():
            notes.append(f"{self._path} is not there yet")
        return Sight(self._lines.all(), notes)


def alive(leases: Iterable[LeaseLine], now: float) -> list[LeaseLine]:
    """Those that have not ended, or lapsed long ago.

    Args:
        now: epoch seconds.
    """
    open_ones = (lease for lease in leases if not lease.ended)
    return [lease for lease in open_ones if (lease.expires_at or now) > now - LAPSED]


def _is_owned(place: Place) -> bool:
    """Whether a living process owns it; else its socket was left behind."""
    try:
        return place.holder() != NOBODY
    except OwnerGone:
        return False
