"""What users hold: a lease; and how it is opened and let go of."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from . import _current
from ._listeners import Callback, Listener
from ._placeholder import Placeholder
from ._reference import Reference, owner, owner_socket
from ._reservation import Reservation, checked
from .errors import LeaseClosed, NotLeased
from .exposure import Exposure
from .grant import Grant
from .issuer import Source
from .report import ExitReport, ShredReport
from .view import ScopeView

if TYPE_CHECKING:
    import boto3.session
    import pyarrow.fs
    import requests
    from requests.auth import AuthBase

    from ._live import LiveGrant
    from .storage.obstore import ObstoreProvider
    from .storage.polars import PolarsProvider
    from .storage.s3fs import LeaseS3FileSystem


#: Seconds that requests under way at the end of a block get to be answered, before
#: their credentials are ended: an answer of the store takes milliseconds.
DRAIN = 2.0


class Lease:
    """One scope's credentials, valid for as long as the lease is open.

    Everything on it that gives out a value reads the newest generation, so do not keep
    values: keep the lease, or what `filesystem`, `boto3_session` and `auth` return.
    """

    __slots__ = ("__weakref__", "_live", "_report", "reference")

    def __init__(self, reference: Reference, live: LiveGrant | None) -> None:
        #: The handle that other processes may have: it pickles, and holds no secret.
        self.reference = reference
        self._live = live
        self._report: ExitReport | None = None

    @property
    def scope(self) -> str:
        """The scope's name in the manifest."""
        return self.reference.scope

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
        live = self._owned("doomed")
        deadline = live.doomed_at
        if deadline is None:
            return None
        return max(deadline - live.clock.monotonic(), 0.0)

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
        self._owned("subscribe()")
        listener = Listener(callback, names, self.scope)
        return _current.session().listeners.add(listener)

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
    def view(self) -> ScopeView:
        """What the scope allows and where: everything but the secret."""
        return self.reference.view()

    @property
    def storage_options(self) -> dict[str, Any]:
        """For libraries that take fsspec's ``storage_options``: live, and no secret."""
        from .storage._route import client_settings
        from .storage._session import LeaseSession

        self._need_s3("storage_options")
        settings = client_settings(self.view.connection)
        return {
            "session": LeaseSession(self.scope),
            "endpoint_url": settings.pop("endpoint_url"),
            "client_kwargs": settings,
        }

    def filesystem(self, **options: Any) -> LeaseS3FileSystem:
        """An fsspec file system on this lease; take a new one in each process.

        Args:
            options: as for `s3fs.S3FileSystem`, but no credentials.
        """
        from .storage.s3fs import LeaseS3FileSystem

        self._need_s3("filesystem()")
        return LeaseS3FileSystem(scope=self.scope, **options)

    def boto3_session(self) -> boto3.session.Session:
        """A boto3 session whose S3 clients sign with this lease."""
        from .storage.boto3 import LeaseBoto3Session

        self._need_s3("boto3_session()")
        return LeaseBoto3Session(self.scope)

    def pyarrow_filesystem(self, **options: Any) -> pyarrow.fs.PyFileSystem:
        """A pyarrow file system that reads through `filesystem`.

        Args:
            options: as for `filesystem`.
        """
        from .storage.pyarrow import filesystem

        self._need_s3("pyarrow_filesystem()")
        return filesystem(self.scope, **options)

    def obstore_provider(self) -> ObstoreProvider:
        """For ``credential_provider=`` of obstore's `S3Store`; reveals the secrets.

        Drop the store before the block ends: as long as it lives it may use what it was
        shown, and memory is not swept.
        """
        from .storage.obstore import ObstoreProvider

        self._need_s3("obstore_provider()")
        return ObstoreProvider(self.reference)

    def polars_provider(self) -> PolarsProvider:
        """For ``credential_provider=`` of polars; reveals the secrets, as obstore's."""
        from .storage.polars import PolarsProvider

        self._need_s3("polars_provider()")
        return PolarsProvider(self.reference)

    def environ(self) -> AbstractContextManager[None]:
        """A block in which the ``AWS_...`` environment variables are set; reveals all.

        For libraries that look nowhere else. Processes started in it inherit the
        values and keep them, and rotation does not reach them: call `ensure` first if
        the block takes long.

        Raises:
            RuntimeError: on entering it, if another such block is open.
        """
        from .storage.environ import lent

        self._need_s3("environ()")
        return lent(self.reference)

    def auth(self) -> AuthBase:
        """For ``requests.get(url, auth=...)``: a bearer token or a password.

        On a session that is not one of `http_session` it is revealed to `requests`, as
        a Python string of which copies stay behind.
        """
        from .http import LeaseAuth

        return LeaseAuth(self.reference)

    def http_session(self) -> requests.Session:
        """A session of `requests` that signs with this lease and never holds a secret.

        Each request without a `placeholder` in its headers is signed as the kind of
        credential says (bearer, basic). The value goes only where the scope's access
        says ``use``, also after a redirect.
        """
        from .http import LateSession

        return LateSession(self.reference)

    def placeholder(self, field: str | None = None) -> str:
        """A text that stands for a secret in the headers of an `http_session`.

        It is harmless: it names the scope and the field, and is the same for all
        generations. The true value takes its place in each request as that is sent.
        ::

            hvac.Client(url, token=creds.placeholder(), session=creds.http_session())

        Args:
            field: which secret; the only one, if absent.

        Raises:
            ValueError: there is no such field, or the kind has several.
            LeaseClosed, LeaseExpired: as for `snapshot`.
        """
        return str(Placeholder(self.scope, self._field(field)))

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

    def _field(self, field: str | None) -> str:
        credentials = self.snapshot().credentials
        known = credentials.FIELDS
        if field is None and len(known) == 1:
            return known[0]
        if field not in known:
            raise ValueError(
                f"expected a field of {credentials.KIND} credentials "
                f"({', '.join(known)}), got {field!r}"
            )
        return field

    def _source(self) -> Source:
        live = self._live
        if live is not None and not live.forgotten:
            return live
        return self.reference.source()

    def _owned(self, what: str) -> LiveGrant:
        session = _current.current()
        if session is not None and session.holds(self.scope):
            return session.held(self.scope)
        if self._live is not None and not self._live.forgotten:
            raise LeaseClosed(f"lease {self.scope} has ended, so it has no {what}")
        raise NotLeased(
            f"lease {self.scope} belongs to another process, so it has no {what} here",
            remedy="use it in the process that entered the block",
        )

    def _need_s3(self, what: str) -> None:
        if "endpoint_url" not in self.view.connection:
            raise NotLeased(
                f"lease {self.scope} is not for an object store, so it has no {what}",
                remedy="lease a scope of an sts issuer; for HTTP use auth()",
            )


def _attached(reference: Reference) -> Lease:
    return Lease(reference, None)


def open_lease(scope: str) -> Lease:
    """Hold a scope here, or read it from the process that owns it.

    Raises:
        UnknownScope, IdentityError, IssuerError: it cannot be had.
        NotLeased, OwnerGone: this is a worker, and its owner does not lease it.
    """
    session = _current.current()
    owns = session is not None and session.busy
    attached = None if owns else owner()
    if attached is None:
        live = _current.session().acquire(scope)
        lease = Lease(_own_reference(scope), live)
        if _is_s3(lease):
            from .storage import plain_s3

            plain_s3.enter()
        return lease
    path = owner_socket()
    lease = Lease(Reference(scope, str(path)), None)
    if scope not in {view.name for view in attached.views(fresh=True)}:
        raise NotLeased(
            f"this process reads its leases from {path}, whose owner does not lease "
            f"{scope}",
            remedy=f'add "{scope}" to the owner\'s lease(…), or unset '
            "MLSECRETS_SOCK to lease it here",
        )
    return lease


def shared_lease(scope: str) -> Lease | None:
    """The lease of a scope that a block of this process holds; not held any longer."""
    session = _current.current()
    if session is None or not session.holds(scope):
        return None
    return Lease(_own_reference(scope), None)


def close_leases(*leases: Lease) -> None:
    """Let go of what `open_lease` gave; the last to do so ends them."""
    session = _current.current()
    ours = [held for held in leases if held._live and not held._live.forgotten]
    if session is None or not ours:
        return
    # Asked before the end, which takes the issuers away that know it.
    stored = [held.scope for held in ours if _is_s3(held)]
    if stored:
        from .storage import _readers

        _readers.quiesce(session.would_end(*stored), DRAIN)
    reports = session.release(*(held.scope for held in ours))
    for held in ours:
        held._report = reports.get(held.scope)
    if stored:
        from .storage import plain_s3

        plain_s3.leave(len(stored))


def _own_reference(scope: str) -> Reference:
    session = _current.current()
    path = None if session is None else session.socket_path
    return Reference(scope, None if path is None else str(path), os.getpid())


def _is_s3(lease: Lease) -> bool:
    live = lease._live
    return live is not None and "endpoint_url" in live.issuer.connection(live.scope)
