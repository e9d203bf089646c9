"""What a lease hands to libraries, each read at the moment it is used.

The libraries are imported when they are asked for, while nobody forks: a child that is
forked in the middle of an import waits for ever for the thread that was importing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ._forks import importing
from ._placeholder import Placeholder
from ._reference import Reference
from .errors import NotLeased
from .view import ScopeView

if TYPE_CHECKING:
    import boto3.session
    import pyarrow.fs
    import requests
    from requests.auth import AuthBase

    from .storage.obstore import ObstoreProvider
    from .storage.polars import PolarsProvider
    from .storage.s3fs import LeaseS3FileSystem


class Readers:
    """One for each library; those that insist on a string say that they reveal it.

    Args:
        reference: the lease.
    """

    __slots__ = ("reference",)

    def __init__(self, reference: Reference) -> None:
        #: The handle that other processes may have: it pickles, and holds no secret.
        self.reference = reference

    @property
    def scope(self) -> str:
        """The scope's name in the manifest."""
        return self.reference.scope

    @property
    def view(self) -> ScopeView:
        """What the scope allows and where: everything but the secret."""
        return self.reference.view()

    @property
    def storage_options(self) -> dict[str, Any]:
        """For libraries that take fsspec's ``storage_options``: live, and no secret."""
        with importing():
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
        with importing():
            from .storage.s3fs import LeaseS3FileSystem

        self._need_s3("filesystem()")
        return LeaseS3FileSystem(scope=self.scope, **options)

    def boto3_session(self) -> boto3.session.Session:
        """A boto3 session whose S3 clients sign with this lease."""
        with importing():
            from .storage.boto3 import LeaseBoto3Session

        self._need_s3("boto3_session()")
        return LeaseBoto3Session(self.scope)

    def pyarrow_filesystem(self, **options: Any) -> pyarrow.fs.PyFileSystem:
        """A pyarrow file system that reads through `filesystem`.

        Args:
            options: as for `filesystem`.
        """
        with importing():
            from .storage.pyarrow import filesystem

        self._need_s3("pyarrow_filesystem()")
        return filesystem(self.scope, **options)

    def obstore_provider(self) -> ObstoreProvider:
        """For ``credential_provider=`` of obstore's `S3Store`; reveals the secrets.

        Drop the store before the block ends: as long as it lives it may use what it was
        shown, and memory is not swept.
        """
        with importing():
            from .storage.obstore import ObstoreProvider

        self._need_s3("obstore_provider()")
        return ObstoreProvider(self.reference)

    def polars_provider(self) -> PolarsProvider:
        """For ``credential_provider=`` of polars; reveals the secrets, as obstore's."""
        with importing():
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
        with importing():
            from .storage.environ import lent

        self._need_s3("environ()")
        return lent(self.reference)

    def auth(self) -> AuthBase:
        """For ``requests.get(url, auth=...)``: a bearer token or a password.

        On a session that is not one of `http_session` it is revealed to `requests`, as
        a Python string of which copies stay behind.
        """
        with importing():
            from .http import LeaseAuth

        return LeaseAuth(self.reference)

    def http_session(self) -> requests.Session:
        """A session of `requests` that signs with this lease and never holds a secret.

        Each request without a `placeholder` in its headers is signed as the kind of
        credential says (bearer, basic). The value goes only where the scope's access
        says ``use``, also after a redirect.
        """
        with importing():
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
            LeaseClosed, LeaseExpired: as for `Lease.snapshot`.
        """
        return str(Placeholder(self.scope, self._field(field)))

    def _field(self, field: str | None) -> str:
        credentials = self.reference.source().snapshot().credentials
        known = credentials.FIELDS
        if field is None and len(known) == 1:
            return known[0]
        if field not in known:
            raise ValueError(
                f"expected a field of {credentials.KIND} credentials "
                f"({', '.join(known)}), got {field!r}"
            )
        return field

    def _need_s3(self, what: str) -> None:
        if "endpoint_url" not in self.view.connection:
            raise NotLeased(
                f"lease {self.scope} is not for an object store, so it has no {what}",
                remedy="lease a scope of an sts issuer; for HTTP use auth()",
            )
