"""Where botocore and aiobotocore meet leases: at the moment a request is signed.

Both libraries let an event handler choose the credentials of one request
(``context["signing"]["request_credentials"]``, botocore/signers.py). So no secret is
ever stored in a client, and one client serves several leases.

The secret key never becomes a Python string: `_signers` makes the signature with it
where it lies. The session token does, because it is a header of every request; without
the key it opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from botocore.credentials import Credentials

from .._reference import Reference
from ..errors import NotLeased
from ..exposure import How
from ..grant import Grant
from ..issuer import Source
from ..memory import Opaque, Sealed
from . import _flights
from ._route import Router

#: Where a request's context keeps the credentials that it was signed with.
CONTEXT = "mlsecrets"


class LockedCredentials(Opaque):
    """One generation's values as botocore wants them for a signature, but for the key.

    Args:
        grant: not wiped as long as this lives, so that no signature fails midway.
        token: the session token.
    """

    WHAT = "a lease's credentials"
    INSTEAD = "send the lease's reference"

    __slots__ = ("grant", "token")

    account_id = None

    def __init__(self, grant: Grant, token: str) -> None:
        self.grant = grant
        self.token = token

    @property
    def access_key(self) -> str:
        """The access key id, which is no secret."""
        return self.grant.credentials.public["access_key_id"]

    @property
    def sealed_key(self) -> Sealed:
        """The secret key where it lies."""
        return self.grant.credentials.sealed("secret_access_key")

    @property
    def secret_key(self) -> NoReturn:
        """Not here: whoever asks is not one of our signers."""
        raise NotLeased(
            "the secret key of a lease is not given out: our clients sign with it "
            "where it lies",
            remedy="use lease.boto3_session() or lease.filesystem(); for a library "
            "that insists on the key, obstore_provider() or environ()",
        )

    def __repr__(self) -> str:
        return f"<LockedCredentials {self.access_key}>"


class LeaseCredentials(Credentials):
    """Credentials that are read from a lease whenever something is signed.

    Args:
        reference: the lease; None for a client that chooses one per request.
    """

    method = "mlsecrets-lease"
    #: The library that is shown the token, in the lease's exposure.
    reader: ClassVar[str] = "botocore"

    def __init__(self, reference: Reference | None) -> None:
        self.reference = reference
        #: Of the last signature; tells a refusal of these from one of older ones.
        self.generation = 0

    def get_frozen_credentials(self) -> LockedCredentials:
        """The values of one whole generation."""
        return self.read()

    def read(self) -> LockedCredentials:
        """The same, under a name that aiobotocore's twin does not make a coroutine."""
        return self.freeze(self.source().snapshot())

    def source(self) -> Source:
        """Where the lease is read.

        Raises:
            NotLeased: no lease was chosen.
        """
        return self._leased().source()

    def freeze(self, grant: Grant) -> LockedCredentials:
        """One generation's values, for one signature."""
        self.generation = grant.terms.generation
        credentials = grant.credentials
        credentials.exposures.note(self.reader, "secret_access_key", How.SIGNED)
        flight = _flights.current()
        if flight is not None:
            flight.carries(self._leased().scope, credentials.exposures)
        token = credentials.reveal("session_token", self.reader)
        return LockedCredentials(grant, token)

    def _leased(self) -> Reference:
        if self.reference is None:
            raise NotLeased(
                "this request names no bucket, so no lease can be chosen for it",
                remedy="give scope=NAME to sign everything with one lease",
            )
        return self.reference

    # botocore's own class keeps strings in these; nothing does here.
    access_key = property(lambda self: self.read().access_key)
    secret_key = property(lambda self: self.read().secret_key)
    token = property(lambda self: self.read().token)
    account_id = property(lambda self: None)

    def __repr__(self) -> str:
        return f"<LeaseCredentials {self.reference!r}>"


class Provider:
    """What a botocore session asks for credentials; duck-typed `CredentialProvider`."""

    METHOD = "mlsecrets-lease"
    CANONICAL_NAME = "mlsecrets"

    def __init__(self, credentials: LeaseCredentials) -> None:
        self._credentials = credentials

    def load(self) -> LeaseCredentials:
        """The lease's credentials."""
        return self._credentials


def choose(router: Router, kind: type[LeaseCredentials]) -> Any:
    """A handler of ``before-parameter-build``: picks the lease for the call."""

    def handler(
        params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        credentials = kind(router.pick(model.name, params))
        context.setdefault("signing", {})["request_credentials"] = credentials
        context[CONTEXT] = credentials

    return handler
