"""What users hold: a lease."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _current
from ._listeners import Callback, Listener
from ._readers import Readers
from ._reference import Reference
from ._reservation import Reservation, checked
from ._tenant import tenant
from .errors import LeaseClosed, NotLeased
from .exposure import Exposure
from .grant import Grant
from .issuer import Source
from .report import ExitReport, ShredReport

if TYPE_CHECKING:
    from ._live import LiveGrant
    from ._tenant_grant import TenantGrant


class Lease(Readers):
    """One scope's credentials, valid for as long as the lease is open.

    Everything on it that gives out a value reads the newest generation, so do not keep
    values: keep the lease, or what `filesystem`, `boto3_session` and `auth` return.
    """

    __slots__ = ("__weakref__", "_live", "_report")

    def __init__(
        self, reference: Reference, live: LiveGrant | TenantGrant | None
    ) -> None:
        super().__init__(reference)
        self._live = live
        self._report: ExitReport | None = None

    def snapshot(self) -> Grant:
        """The credentials and their terms, whole and of one generation.

        Never blocks and never raises while they are valid.

        Raises:
            LeaseClosed: the block has ended.
            LeaseExpired: nothing valid is left and the issuer gives nothing new.
        """
        live = self._live  # as `_source`, but without a call: this is read per request
        if live is not None and not live.forgotten:
            return live.snapshot()
        return self.reference.source().snapshot()

    def ensure(self, min_valid: float) -> Grant:
        """The credentials, with at least so many seconds of validity left.

        Renews ahead of time if that is what it takes: before something that signs once
        and then runs long, such as a presigned URL or a single large PUT.

        Args:
            min_valid: seconds, from now.

        Raises:
            LeaseTooShort: they cannot be valid for so long; `possible` says how long.
            LeaseClosed, LeaseExpired: as for `snapshot`.
            ValueError: `min_valid` is not a number of seconds above 0.
        """
        return self._source().ensure(checked(min_valid))

    def reserve(self, seconds: float) -> Reservation:
        """A block in which the credentials it was entered with stay valid.

        ::

            with creds.reserve(20 * 60):  # or: async with
                upload(checkpoint)

        Entering it raises what `ensure` raises, before the transfer begins. The
        grant that it gives is kept in memory until the block ends.

        Args:
            seconds: how long the block may take.

        Raises:
            ValueError: `seconds` is not a number of seconds above 0.
        """
        return Reservation(self._source(), seconds)

    @property
    def doomed(self) -> float | None:
        """Seconds until the end, if the lease will not go on; None while it will.

        Raises:
            LeaseClosed: the block has ended.
            NotLeased: the lease belongs to another process.
        """
        deadline = self._owned("doomed").doomed_at
        if deadline is None:
            return None
        return max(deadline - _current.clock().monotonic(), 0.0)

    def subscribe(self, callback: Callback, *names: str) -> Callable[[], None]:
        """Have a function called with this lease's events, on a thread of its own.

        It is called with one `Event` at a time, in order. What it raises is logged by
        its type, and harms neither the renewal nor other callbacks. It ends with the
        lease, whose last events it still gets (2 s are waited for that).

        Args:
            callback: called with each event.
            names: which events, such as ``"doomed"``; all of them if none is given.

        Returns:
            A function that ends it early.

        Raises:
            ValueError: there is no event of that name.
            NotLeased: the lease belongs to another process, where its events happen.
        """
        grant = self._owned("subscribe()")
        listener = Listener(callback, names, self.scope)
        session = _current.current()
        if session is not None and session.holds(grant.name):
            return session.listeners.add(listener)
        return tenant().listeners.add(listener)

    @property
    def open(self) -> bool:
        """Whether credentials can be read from it here."""
        return self._live is None or not self._live.closed

    @property
    def expires_at(self) -> float:
        """Wall-clock epoch seconds at which the present generation ends."""
        return self.snapshot().terms.expires_at

    def reject(self, generation: int) -> None:
        """Replace a generation that a server refused; no effect once it is gone."""
        self.reference.source().invalidate(generation)

    @property
    def exposure(self) -> tuple[Exposure, ...]:
        """Who was given what of the secrets in this process, and in which way.

        While the lease is open; afterwards it is in `shred_report`.

        Raises:
            LeaseClosed, NotLeased: as for `snapshot`.
        """
        if self._report is not None:
            return self._report.shred.exposure
        return self._source().exposures.seen()

    @property
    def shred_report(self) -> ShredReport:
        """What was found of the secrets in memory, and wiped, once the block has ended.

        Raises:
            NotLeased: as for `report`.
        """
        return self.report.shred

    @property
    def report(self) -> ExitReport:
        """What became of the credentials, once the block has ended.

        Raises:
            NotLeased: the lease is still open, or others still hold it, or it belongs
                to another process.
        """
        if self._report is None:
            raise NotLeased(
                f"there is no report on lease {self.scope}: it has not ended here",
                remedy="read it after the outermost block of the owning process",
            )
        return self._report

    def __repr__(self) -> str:
        return f"<Lease {self.scope}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        # A closure that captured a lease travels as its reference: the worker reads the
        # owner's socket.
        return (_attached, (self.reference,))

    def _source(self) -> Source:
        live = self._live
        if live is not None and not live.forgotten:
            return live
        return self.reference.source()

    def _owned(self, what: str) -> LiveGrant | TenantGrant:
        session = _current.current()
        if session is not None and session.holds(self.scope):
            return session.held(self.scope)
        joined = tenant().held(self.scope)
        if joined is not None:
            return joined
        ours = self._live is not None and not self._live.forgotten
        if ours or self.reference.owner == os.getpid():
            raise LeaseClosed(f"lease {self.scope} has ended, so it has no {what}")
        raise NotLeased(
            f"lease {self.scope} belongs to another process, so it has no {what} here",
            remedy="use it in the process that entered the block",
        )


def _attached(reference: Reference) -> Lease:
    return Lease(reference, None)
