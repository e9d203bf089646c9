"""The worker's side: leases of another process, read through its socket and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .._forks import after_fork, forgets, notice
from ..clock import SYSTEM_CLOCK, Clock, pause
from ..credentials import Credentials, rebuild
from ..errors import LeaseExpired, MLSecretsError, OwnerGone
from ..exposure import Exposures
from ..grant import Grant, Terms
from ..memory import Opaque, SecretBuffer
from ..view import ScopeView
from . import _wire
from ._place import Place
from ._socket import connect

T = TypeVar("T")

#: Seconds to wait for an owner, which may itself be waiting for an issuer.
PATIENCE = 15.0
#: Seconds after the owner's due renewal at which a worker asks: it is then done.
AFTER_RENEWAL = 0.1
#: Seconds between questions while the owner's renewal is late.
POLL = 0.5
#: Seconds that another process gets to take over from an owner that was killed.
SUCCESSION = 10.0
#: Seconds until the next question when an answer came too late to be used.
SOON = 0.05


class Attachment:
    """The owner's socket, seen from one worker process."""

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._grants: dict[str, AttachedGrant] = {}
        self._views: tuple[ScopeView, ...] | None = None
        self._seen = _identity(path)

    def look(self) -> None:
        """Have everything asked for anew if another socket is there than before."""
        seen = _identity(self._path)
        if seen is None or seen == self._seen:
            return  # if it is gone, what was read from it may still be used
        with self._lock:
            self._seen, self._views = seen, None
            for grant in self._grants.values():
                grant.ask_now()

    def source(self, scope: str) -> AttachedGrant:
        """The lease of a scope; nothing is asked before the first snapshot."""
        found = self._grants.get(scope)  # without the lock: readers come by here
        if found is None:
            with self._lock:
                found = self._grants.get(scope)
                if found is None:
                    found = AttachedGrant(self._path, scope, self._clock)
                    self._grants[scope] = found
        return found

    def views(self, *, fresh: bool = False) -> tuple[ScopeView, ...]:
        """The public faces of the leases that the owner holds.

        Args:
            fresh: ask again, although they are known: a new lease may be open.

        Raises:
            OwnerGone: the owner does not answer, and no other has taken its place.
        """
        if self._views is None or fresh:
            head, _ = _from_any_owner(
                lambda: _ask(self._path, {"ask": "views"}), self._path, self._clock
            )
            self._views = tuple(ScopeView.from_json(view) for view in head["views"])
        return self._views


@dataclass(frozen=True)
class _Cached:
    grant: Grant
    ask_at: float


class AttachedGrant(Opaque):
    """One lease of the owner's: the same two methods as the owner's own."""

    WHAT = "a lease's source"
    INSTEAD = "send the lease, or its reference"

    def __init__(self, path: Path, scope: str, clock: Clock) -> None:
        self._path = path
        self._scope = scope
        self._clock = clock
        self._turn = threading.Lock()
        self._cached: _Cached | None = None
        #: Not looked for at the end: the memory of a worker ends with it.
        self.exposures = Exposures(keep=False)
        forgets(self)

    def forget(self) -> None:
        """In a forked child: ask anew; what was cached is zeros there."""
        self._turn = threading.Lock()
        self._cached = None

    def snapshot(self) -> Grant:
        """The whole grant of one generation; asks the owner when a newer one is due.

        Raises:
            OwnerGone: nothing valid is at hand and the owner does not answer.
            LeaseExpired: nothing valid is at hand and the owner has nothing either.
        """
        cached, now = self._cached, self._clock.monotonic()
        valid = cached is not None and now < cached.grant.terms.dies_at
        if cached is not None and valid and now < cached.ask_at:
            return cached.grant
        # With a valid grant at hand, one thread asks and the others go on.
        turn = self._turn  # a fork on this very thread leaves the child another one
        if not turn.acquire(blocking=not valid):
            assert cached is not None  # noqa: S101  (valid implies it)
            return cached.grant
        try:
            return self._refresh()
        finally:
            turn.release()

    def peek(self) -> Grant | None:
        """The grant if it is at hand, None if `snapshot` would have to ask."""
        cached, now = self._cached, self._clock.monotonic()
        if cached is None or now >= min(cached.ask_at, cached.grant.terms.dies_at):
            return None
        return cached.grant

    def ensure(self, seconds: float) -> Grant:
        """The grant with so many seconds left; the owner renews if it takes that.

        Raises:
            LeaseTooShort: it cannot be valid for so long.
            OwnerGone, LeaseExpired: as for `snapshot`.
        """
        grant = self.snapshot()
        if grant.terms.remaining(self._clock.monotonic()) >= seconds:
            return grant
        with self._turn:
            return self._ask_until_there({"ask": "ensure", "seconds": seconds})

    def invalidate(self, generation: int) -> None:
        """Have the owner replace credentials that a server refused."""
        with self._turn:
            cached = self._cached
            if cached is not None and cached.grant.terms.generation != generation:
                return
            request = {
                "ask": "reject",
                "scope": self._scope,
                "generation": generation,
                "lease_id": cached.grant.terms.lease_id if cached else None,
            }
            _ask(self._path, request)
            self._cached = None

    def expose_to(self, exposures: Exposures) -> None:
        """Have noted there who is given what; what is cached is asked for anew."""
        self.exposures = exposures
        self.ask_now()

    def ask_now(self) -> None:
        """Have the next snapshot ask: the owner is another one by now."""
        cached = self._cached
        if cached is not None:
            self._cached = _Cached(cached.grant, self._clock.monotonic())

    @property
    def terms(self) -> Terms | None:
        """Those of what is cached, if anything is."""
        cached = self._cached
        return None if cached is None else cached.grant.terms

    def drop(self) -> list[Credentials]:
        """Forget what is cached, and say what that was."""
        with self._turn:
            cached, self._cached = self._cached, None
        return [] if cached is None else [cached.grant.credentials]

    def _refresh(self) -> Grant:
        if (at_hand := self.peek()) is not None:
            return at_hand
        cached = self._cached
        if cached is not None and self._lives(cached):
            try:
                self._cached = self._fetch({"ask": "grant"})
            except MLSecretsError:
                again_at = self._clock.monotonic() + POLL
                self._cached = _Cached(cached.grant, again_at)
            # Looked at anew, because the question may have taken long.
            if self._lives(self._cached):
                return self._cached.grant
        return self._ask_until_there({"ask": "grant"})

    def _lives(self, cached: _Cached) -> bool:
        return self._clock.monotonic() < cached.grant.terms.dies_at

    def _ask_until_there(self, request: dict[str, Any]) -> Grant:
        """Ask, and again while the owner says that it is worth it.

        The issuer may be away, and readers are to wait for it: the owner knows for how
        long.
        """
        while True:
            try:
                self._cached = _from_any_owner(
                    lambda: self._fetch(request), self._path, self._clock
                )
            except LeaseExpired as expired:
                if expired.again_in is None:
                    raise
                pause(self._clock, expired.again_in)
            else:
                return self._cached.grant

    def _fetch(self, request: dict[str, Any]) -> _Cached:
        now = self._clock.monotonic()
        head, buffer = _ask(self._path, {**request, "scope": self._scope})
        assert buffer is not None  # noqa: S101  (a grant always carries one)
        terms = Terms(
            scope=self._scope,
            lease_id=head["lease_id"],
            issued_at=head["issued_at"],
            lifetime=head["lifetime"],
            # Counted from before the question: never later than the owner's own.
            deadline=now + head["remaining"],
            generation=head["generation"],
        )
        if terms.deadline <= self._clock.monotonic():
            # The owner has a newer one by now, or knows why there is none.
            raise LeaseExpired(
                f"lease {self._scope} expired on its way to this worker", again_in=SOON
            )
        credentials = rebuild(head["kind"], buffer, head["public"])
        credentials.exposures = self.exposures
        grant = Grant(terms, credentials)
        pause = head["ask_in"] + AFTER_RENEWAL if head["ask_in"] > 0 else POLL
        return _Cached(grant, now + pause)


def _from_any_owner(ask: Callable[[], T], path: Path, clock: Clock) -> T:
    """Ask the owner, or the next one if it goes meanwhile.

    Between two owners nobody answers for a moment. One that was killed leaves its
    socket behind.
    """
    give_up = clock.monotonic() + SUCCESSION
    while True:
        seen = _identity(path)
        try:
            return ask()
        except OwnerGone:
            # Another owner may be there by now, or be expected.
            waits = seen != _identity(path) or _is_vacant(path)
            if clock.monotonic() >= give_up or not waits:
                raise
            pause(clock, SOON)


def _is_vacant(path: Path) -> bool:
    """Whether the place is there, and waits for another owner."""
    place = Place.at(path)
    if not place.folder.is_dir():
        return False
    return not path.exists() or place.holder_is_gone()


def figures(path: Path, timeout: float) -> tuple[int, list[dict[str, Any]]]:
    """How the leases of an owner fare: its process id; of each its view, and numbers.

    Raises:
        OwnerGone: it does not answer in so many seconds.
        NotLeased: it does not let this process ask.
    """
    head, _ = _ask(path, {"ask": "figures"}, timeout)
    return int(head["pid"]), list(head["leases"])


def _ask(
    path: Path, request: dict[str, Any], timeout: float = PATIENCE
) -> tuple[dict[str, Any], SecretBuffer | None]:
    try:
        with connect(path, timeout) as connection:
            _wire.send(connection, request)
            head = _wire.receive(connection)
            slots = head.get("slots")
            secret = _wire.receive_secret(connection, slots) if slots else None
    except OSError as error:
        raise OwnerGone(
            f"the process that owns the leases broke off at {path} "
            f"({error.strerror or type(error).__name__})"
        ) from None
    if "error" in head:
        raise _wire.error_of(head)
    return head, secret


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells one socket at a path from the next; None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


_attachments: dict[str, Attachment] = {}
_attachments_lock = threading.Lock()


def attachment(path: str) -> Attachment:
    """This process's one attachment to a socket.

    Its leases are asked for anew if somebody else listens there by now: the path is
    used again, by the next block of its owner or by the next owner.
    """
    notice()
    found = _attachments.get(path)  # without the lock: readers come by here
    if found is None:
        with _attachments_lock:
            found = _attachments.get(path)
            if found is None:
                found = _attachments[path] = Attachment(Path(path))
    found.look()
    return found


def is_attached(path: str) -> bool:
    """Whether this process has read from a socket before."""
    notice()
    return path in _attachments


def _forget() -> None:
    # In a forked child the cached secrets are zeros and the locks may be held.
    global _attachments_lock  # noqa: PLW0603
    _attachments_lock = threading.Lock()
    _attachments.clear()


after_fork(_forget)
