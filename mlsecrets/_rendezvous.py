"""Where the job's leases are owned: here, or by a process that is joined."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from . import _current
from ._broker import _lock
from ._broker._job import job_name, job_roots
from ._broker._place import Place
from ._broker._socket import ENVIRONMENT
from ._broker.join import Membership
from ._keeper.start import Orders, start
from .clock import SYSTEM_CLOCK, pause
from .errors import OwnerGone
from .events import Event
from .manifest import load

#: Seconds in which a place gets an owner: a keeper that starts on a busy machine.
PATIENCE = 30.0
#: Seconds between looks whether it has one.
POLL = 0.02

#: The keeper that this process started last: where, its orders, its manifest's digest.
_last: tuple[Place, Orders, str] | None = None


def place_of_job() -> Place | None:
    """Where this process's job meets: inherited, or by the job's name; None if alone.

    Raises:
        OwnerGone: there is a job, and no folder in which it could meet.
    """
    inherited = os.environ.get(ENVIRONMENT)
    if inherited:
        return Place.at(Path(inherited))
    name = job_name(os.environ)
    return None if name is None else Place.of_job(name)


def meet(
    place: Place | None,
    tell: Callable[[Event], None],
    lost: Callable[[Membership], None],
    *,
    again: bool = False,
) -> Place | Membership:
    """Own the leases of a place, or join their owner.

    Args:
        place: where; None for a new one.
        tell: see `Membership`.
        lost: the same, called with the membership that is lost.
        again: its owner has gone, whom this process was joined to: if the folder went
            with it, it is made again.

    Returns:
        the place, whose lock this process now holds; or its membership.

    Raises:
        OwnerGone: the place is not to be trusted, or gets no owner.
        ManifestError: a keeper is to be started, and has no usable manifest.
    """
    if place is None:
        return _meet_alone(tell, lost)
    if not again and not place.folder.is_dir():
        raise OwnerGone(
            f"the process that owned the leases is gone: {place.socket} does not exist",
            remedy=f"start workers inside the with block, and end them before it ends; "
            f"or unset {ENVIRONMENT}",
        )
    return _meet_at(place, tell, lost, again=again)


def _meet_alone(
    tell: Callable[[Event], None], lost: Callable[[Membership], None]
) -> Place | Membership:
    """In a place of this process's own."""
    place = _lingering() or Place.private()
    try:
        return _meet_at(place, tell, lost, again=False)
    except BaseException:
        with suppress(OSError):  # unless somebody serves there after all
            place.folder.rmdir()
        raise


def _meet_at(
    place: Place,
    tell: Callable[[Event], None],
    lost: Callable[[Membership], None],
    *,
    again: bool,
) -> Place | Membership:
    keeper = _current.wants_keeper()
    until = SYSTEM_CLOCK.monotonic() + PATIENCE
    while True:
        if not keeper and place.take():
            return place
        try:
            return Membership(place, tell, lost)
        except OwnerGone:
            if SYSTEM_CLOCK.monotonic() > until:
                raise
        if keeper and place.holder_is_gone():
            _start_keeper(place, again=again)
        else:
            pause(SYSTEM_CLOCK, POLL)


def _start_keeper(place: Place, *, again: bool) -> None:
    """Start one, unless somebody else is about to."""
    starting = place.folder / "starting"
    place.make_folder()
    if not _lock.take(starting):
        pause(SYSTEM_CLOCK, POLL)
        return
    try:
        # Somebody else may have been quicker.
        if place.holder_is_gone():
            _start(place, again=again)
    finally:
        with suppress(OSError):
            starting.unlink()
        _lock.give_up(starting)


def _start(place: Place, *, again: bool) -> None:
    global _last  # noqa: PLW0603  a process has one
    orders = _orders(place)
    digest = load(Path(orders.manifest)).digest
    start(place, replace(orders, succeeding=again))
    _last = (place, orders, digest)


def _lingering() -> Place | None:
    """Where a keeper of this process's still is, that has the orders of today."""
    if _last is None or not _current.wants_keeper():
        return None
    place, orders, digest = _last
    if not place.socket.exists() or place.holder_is_gone():
        return None
    # In a forked child they differ, too: it is another root.
    same = orders == _orders(place) and digest == load(Path(orders.manifest)).digest
    return place if same else None


def _orders(place: Place) -> Orders:
    options, journal = _current.options(), _current.journal_path()
    return Orders(
        folder=str(place.folder),
        manifest=str(_current.manifest_path()),
        journal=None if journal is None else str(journal.absolute()),
        patience=options.patience,
        peers=options.peers,
        roots=(os.getpid(), *job_roots(os.environ)),
    )
