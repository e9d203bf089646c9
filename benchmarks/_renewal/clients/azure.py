"""azure-core: the policy that puts a bearer token on requests.

The credential behind it is a user's own. Those of azure-identity have a cache besides,
which is not measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from azure.core import PipelineClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    RetryPolicy,
    _authentication,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from requests import Session

from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer, IssuerDown


class CountedCredential:
    """The one method that a `TokenCredential` has."""

    def __init__(self, issuer: CountingIssuer) -> None:
        self._issuer = issuer

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Fetch a token."""
        try:
            fresh = self._issuer.mint()
        except IssuerDown as error:
            raise ServiceRequestError(str(error)) from error
        return AccessToken(fresh.id, int(fresh.expires_at))


class AzureClient:
    """`BearerTokenCredentialPolicy`, shared by all threads as in a service client."""

    #: Its window is fixed: 5 minutes less up to one of jitter.
    due = 239.0
    pace = 0.0
    background = False
    refusal = "token"

    def __init__(self, issuer: CountingIssuer) -> None:
        credential = CountedCredential(issuer)
        self._policy: Any = BearerTokenCredentialPolicy(credential, "scope")

    def read(self) -> str:
        """The header that a request would carry."""
        request = HttpRequest("GET", "https://storage.example.org")
        self._policy.on_request(PipelineRequest(request, PipelineContext(None)))
        return str(request.headers["Authorization"]).removeprefix("Bearer ")

    def moved(self) -> None:
        """What reads time in the policy's module is replaced."""

    def requester(self, address: str) -> Callable[[], bool]:
        """GET through the two policies that service clients have, in their order."""
        session = Session()
        session.trust_env = False
        client: Any = PipelineClient(
            address,
            transport=RequestsTransport(session=session, session_owner=False),
            policies=[RetryPolicy(), self._policy],
        )

        def send() -> bool:
            request = HttpRequest("GET", f"{address}/bucket/key")
            answer = client.send_request(request, enforce_https=False)
            return bool(answer.status_code == 200)

        return send


class ClaimsClient(AzureClient):
    """The same at a server that asks for a newer token by a claims challenge."""

    refusal = "claims"


@contextmanager
def _made(
    kind: type[AzureClient], issuer: CountingIssuer, clock: FakeClock
) -> Iterator[AzureClient]:
    with mock.patch.object(_authentication, "time", SimpleNamespace(time=clock.wall)):
        yield kind(issuer)


def azure_core(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[AzureClient]:
    """As users have it."""
    return _made(AzureClient, issuer, clock)


def azure_core_claims(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[AzureClient]:
    """The same, refused in the way that it knows to answer."""
    return _made(ClaimsClient, issuer, clock)
