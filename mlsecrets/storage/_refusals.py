"""Recognising that a store no longer accepts credentials that should live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._reference import Reference
from ._sign import CONTEXT, LeaseCredentials

#: What stores say of credentials that they no longer accept (S3 API Reference, "Error
#: responses"); SeaweedFS says InvalidAccessKeyId of an ended session.
REFUSED = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired"}
)
_RETRIED = "mlsecrets-retried"


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
        credentials: LeaseCredentials | None = context.get(CONTEXT)
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
