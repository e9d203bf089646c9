"""Training that ends in time: saved while its credentials still live.

A lease whose issuer refuses it, or stays away, is *doomed*: it ends at a known instant.
Until then it works, and that is when a checkpoint has to be written. `ExpiryWatch` is
asked after each step of a loop, and does what has to be done::

    with lease("train-data", "checkpoints"), ExpiryWatch() as watch:
        for batch in batches:
            train(batch)
            watch.step(run)      # run: how this framework saves, flushes and marks

Guests for Lightning, torch, transformers and Ray bring the `Run` of their frameworks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from . import _current
from ._block import join, open_scopes
from ._reservation import checked
from ._signals import exits_on_sigterm as exits_on_sigterm  # noqa: PLC0414  for hosts
from .clock import pause
from .errors import LeaseDoomed, LeaseTooShort
from .events import Event

if TYPE_CHECKING:
    from types import TracebackType

    from ._lease import Lease

log = logging.getLogger("mlsecrets")

#: What is done about a lease that ends: save and stop, or save and wait for its issuer.
Policy = Literal["stop", "pause"]
#: Seconds between two looks while training is paused. Ranks look together, so that no
#: collective is waited for longer than this; NCCL gives up after ten minutes.
POLL = 1.0
#: How much longer than the longest save so far the next one may take.
ALLOWANCE = 2.0

_FAILING = ("renewal_failed", "throttled")
_WELL = ("issued", "renewed", "replaced")


@dataclass(frozen=True)
class Deadline:
    """The end of a lease that will not go on.

    Attributes:
        scope: whose.
        seconds_left: until then, from when it was asked for.
    """

    scope: str
    seconds_left: float

    def __str__(self) -> str:
        return f"lease {self.scope} ends in {self.seconds_left:.0f} s"


class Run(Protocol):
    """What a framework offers on each of its ranks; every rank makes every call."""

    def any(self, here: bool) -> bool:  # noqa: FBT001  a collective's one operand
        """Whether any rank says so: a collective where there are several."""

    def save(self) -> str | None:
        """Write a checkpoint to resume from, and say where, if this rank knows."""

    def flush(self) -> None:
        """Have loggers send what they have queued."""

    def mark(self, state: State, words: str) -> None:
        """Note the state in the run's own record, such as tags of MLflow."""


#: What becomes of a run; ``resumed`` after a pause.
State = Literal["stopped", "paused", "resumed"]


class SaveRoom:
    """Validity for the length of a save, made sure of before it begins.

    Args:
        seconds: how long a save may take. None to learn it: twice what the longest has
            taken, and nothing is made sure of for the first.

    Attributes:
        pressed: whether the save is for an end that is coming. Then nothing is made
            sure of: an issuer that does not answer would take the time that is left.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._given = None if seconds is None else checked(seconds)
        self._longest = 0.0
        self.pressed = False

    @property
    def seconds(self) -> float:
        """How long the next save may take; 0 if that is not known yet."""
        return self._given if self._given is not None else ALLOWANCE * self._longest

    @contextmanager
    def around(self, lease: Lease) -> Iterator[None]:
        """A block that saves on a lease.

        A lease that is doomed, or soon to be, is used for what it is worth: a save that
        may be cut off is better than none.

        Raises:
            LeaseTooShort: the lease cannot be valid for the seconds that were given.
                Learned seconds refuse nothing: parts of an upload are signed one by
                one, and credentials are replaced in the middle of it.
            LeaseClosed, LeaseExpired: it is not usable at all.
        """
        clock = _current.clock()
        start = clock.monotonic()
        try:
            if self.seconds and not self.pressed and lease.doomed is None:
                lease.ensure(self.seconds)
        except LeaseTooShort:
            if self._given is not None and lease.doomed is None:
                raise
        yield
        self._longest = max(self._longest, clock.monotonic() - start)


class ExpiryWatch:
    """Has a run saved while its leases are still valid; asked after each step.

    Entering it holds its leases, which have to be open already, in this process or in
    the one that owns this one's leases.

    Args:
        scopes: the leases that the run needs; all that are open if none is named.
        on_doomed: ``"stop"``: save, flush, mark the run, and raise `LeaseDoomed`.
            ``"pause"``: save, flush, mark, and wait at this step until all leases go
            on; then go on, too.
        pause_limit: seconds that a pause may take; then it stops after all.
        room: what is known of how long a save takes, shared with what saves. A run
            whose lease fails to be renewed is saved so early that this fits.

    Raises:
        ValueError: an argument is none of those that are possible.
    """

    def __init__(
        self,
        *scopes: str,
        on_doomed: Policy = "stop",
        pause_limit: float = 3600.0,
        room: SaveRoom | None = None,
    ) -> None:
        if on_doomed not in get_args(Policy):
            expected = " or ".join(map(repr, get_args(Policy)))
            raise ValueError(f"on_doomed is {expected}, got {on_doomed!r}")
        self.scopes = scopes
        self.on_doomed = on_doomed
        self.pause_limit = checked(pause_limit)
        self.room = SaveRoom() if room is None else room
        self._watched: tuple[_Watched, ...] = ()

    def __enter__(self) -> ExpiryWatch:
        """Hold the leases, and listen to what happens to them.

        Raises:
            NotLeased: one is not open.
            LeaseExpired: one has run out.
        """
        scopes = self.scopes or [view.name for view in open_scopes()]
        self._watched = tuple(_Watched(join(scope)) for scope in scopes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for watched in self._watched:
            watched.stop()
        self._watched = ()

    def due(self) -> Deadline | None:
        """The first end that has to be acted on now; None while all is well.

        Takes microseconds, asks nobody, and never blocks.

        Raises:
            LeaseClosed: a lease was ended under the run.
        """
        ends = [held.due(self.room.seconds) for held in self._watched]
        told = [end for end in ends if end is not None]
        self.room.pressed = bool(told)
        return min(told, key=lambda end: end.seconds_left) if told else None

    def step(self, run: Run) -> None:
        """To be called by every rank after each step: does what has to be done.

        Raises:
            LeaseDoomed: the run was saved, and is to end now.
            MLSecretsError, OSError: the checkpoint could not be written.
        """
        end = self.due()
        if not run.any(end is not None):
            return
        words = str(end) if end is not None else "another rank's lease ends"
        log.warning("%s: saving the run", words)
        self.room.pressed = True
        checkpoint = run.save()
        run.flush()
        if self.on_doomed == "stop":
            run.mark("stopped", words)
            raise _stopped(words, end, checkpoint)
        run.mark("paused", words)
        if not self._wait(run):
            run.mark("stopped", words)
            raise _stopped(words, end, checkpoint)
        run.mark("resumed", "all leases go on")
        log.warning("all leases go on: so does the run")

    def _wait(self, run: Run) -> bool:
        """Wait until no rank's lease is doomed; whether that came to be in time."""
        clock = _current.clock()
        until = clock.monotonic() + self.pause_limit
        while run.any(self.due() is not None):
            if run.any(clock.monotonic() >= until):
                return False
            pause(clock, POLL)
        return True


class _Watched:
    """One lease: whether it is doomed, or fails to be renewed and ends soon."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        #: Monotonic seconds of the end of credentials that could not be renewed.
        self._failing_until: float | None = None
        self.stop = lease.subscribe(self._hear, *_FAILING, *_WELL)

    def due(self, room: float) -> Deadline | None:
        left = self._lease.doomed
        if left is None and room and self._failing_until is not None:
            left = self._failing_until - _current.clock().monotonic()
            left = left if left <= room else None
        return None if left is None else Deadline(self._lease.scope, max(left, 0.0))

    def _hear(self, event: Event) -> None:
        detail: Any = event.detail
        if event.name in _WELL:
            self._failing_until = None
        else:
            now = _current.clock().monotonic()
            self._failing_until = now + float(detail["seconds_left"])


def _stopped(words: str, end: Deadline | None, checkpoint: str | None) -> LeaseDoomed:
    where = f"; its work is in {checkpoint}" if checkpoint else ""
    return LeaseDoomed(
        f"training was stopped because {words}{where}",
        checkpoint=checkpoint,
        seconds_left=0.0 if end is None else end.seconds_left,
        remedy="see why with mlsecrets doctor, and resume from the checkpoint once the "
        "issuer grants the lease again",
    )
