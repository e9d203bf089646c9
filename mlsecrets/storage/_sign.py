"""Where botocore and aiobotocore meet leases: at the moment a request is signed.

Both libraries let an event handler choose the credentials of one request
(``context["signing"]["request_credentials"]``, botocore/signers.py). So no secret is
ever stored in a client, and one client serves several leases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials

from .._reference import Reference
from ..errors import NotLeased
from ..grant import Grant
from ..issuer import Source
from ._route import Router

#: What stores say of credentials that they no longer accept (S3 API Reference, "Error
#: responses"); SeaweedFS says InvalidAccessKeyId of an ended session.
REFUSED = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired"}
)
_CONTEXT = "mlsecrets"
_RETRIED = "mlsecrets-retried"


class LeaseCredentials(Credentials):
    """Credentials that are read from a lease whenever something is signed.

    Args:
        reference: the lease; None for a client that chooses one per request.
    """

    method = "mlsecrets-lease"

    def __init__(self, reference: Reference | None) -> None:
        self.reference = reference
        #: Of the last signature; tells a refusal of these from one of older ones.
        self.generation = 0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The values of one whole generation."""
        return self.read()

    def read(self) -> ReadOnlyCredentials:
        """The same, under a name that aiobotocore's twin does not make a coroutine."""
        return self.freeze(self.source().snapshot())

    def source(self) -> Source:
        """Where the lease is read.

        Raises:
            NotLeased: no lease was chosen.
        """
        if self.reference is None:
            raise NotLeased(
                "this request names no bucket, so no lease can be chosen for it",
                remedy="give scope=NAME to sign everything with one lease",
            )
        return self.reference.source()

    def freeze(self, grant: Grant) -> ReadOnlyCredentials:
        """One generation's values as botocore wants them, for one signature."""
        # Whoever holds a snapshot keeps it from being wiped, so this cannot fail
        # midway.
        self.generation = grant.terms.generation
        credentials = grant.credentials
        return ReadOnlyCredentials(
            credentials.public["access_key_id"],
            credentials.reveal("secret_access_key"),
            credentials.reveal("session_token"),
            None,
        )

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
        context[_CONTEXT] = credentials

    return handler


class Refusals:
    """Recognises answers that mean: the store no longer accepts these credentials.

    One for each client, because an answer to HEAD has no body: a 403 of it may be a key
    that died early, or simply a no. It is taken for the first once for each generation.
    """

    def __init__(self) -> None:
        self._suspected: dict[Reference, int] = {}

    def of_ours(
        self, response: Any, operation: Any, request_dict: Mapping[str, Any]
    ) -> LeaseCredentials | None:
        """The refused credentials, if they are a lease's and not retried yet."""
        context = request_dict.get("context", {})
        credentials: LeaseCredentials | None = context.get(_CONTEXT)
        if credentials is None or response is None or context.get(_RETRIED):
            return None
        code = response[1].get("Error", {}).get("Code")
        if code not in REFUSED and not self._suspect(code, operation, credentials):
            return None
        context[_RETRIED] = True
        return credentials

    def _suspect(
        self, code: str | None, operation: Any, credentials: LeaseCredentials
    ) -> bool:
        reference, generation = credentials.reference, credentials.generation
        if code not in {"400", "403"} or operation.name != "HeadObject":
            return False
        if reference is None or self._suspected.get(reference, 0) >= generation:
            return False
        # The next generation is above suspicion: if it is refused too, it is a no.
        self._suspected[reference] = generation + 1
        return True


def retry_refused() -> Any:
    """A handler of ``needs-retry``: once, with new credentials; seconds to wait."""
    refusals = Refusals()

    def handler(
        response: Any, operation: Any, request_dict: Any, **_: Any
    ) -> float | None:
        credentials = refusals.of_ours(response, operation, request_dict)
        if credentials is None:
            return None
        credentials.source().invalidate(credentials.generation)
        return 0.0

    return handler
