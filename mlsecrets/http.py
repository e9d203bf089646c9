"""Leased bearer tokens and passwords for `requests`.

>>> with mlsecrets.lease("tracking") as creds:               # doctest: +SKIP
...     requests.get("https://tracking.example.org/api", auth=creds.auth())
"""

from __future__ import annotations

import base64
from typing import Any

import requests
from requests.auth import AuthBase

from ._reference import Reference
from .errors import NotLeased
from .grant import Grant

_GENERATION = "_mlsecrets_generation"


class LeaseAuth(AuthBase):
    """Signs each request with what the lease holds at that moment.

    A 401 is answered once, with credentials made after the refused ones. The credential
    goes only where the scope's access says ``use``: a request to any other place fails
    before it is sent.

    Args:
        scope: the lease's scope, or its reference.
    """

    def __init__(self, scope: str | Reference) -> None:
        self._reference = Reference(scope) if isinstance(scope, str) else scope

    def __repr__(self) -> str:
        return f"<LeaseAuth {self._reference.scope}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LeaseAuth) and self._reference == other._reference

    def __hash__(self) -> int:
        return hash(self._reference)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request (called by `requests`).

        Raises:
            NotLeased: the scope's access does not name the request's origin.
        """
        self._sign(request)
        request.register_hook("response", self._retry_once)
        return request

    def _sign(self, request: requests.PreparedRequest) -> None:
        view = self._reference.view()
        url = request.url or ""
        if not view.covers_origin(url):
            allowed = ", ".join(str(access) for access in view.access) or "nothing"
            origin = "/".join(url.split("/")[:3])
            raise NotLeased(
                f"{view.name} may not be sent to {origin}; its access: {allowed}",
                remedy="correct the address, or have the scope's owner add "
                f'"use {origin}" to its access',
            )
        grant = self._reference.source().snapshot()
        request.headers["Authorization"] = _authorization(grant)
        setattr(request, _GENERATION, grant.terms.generation)

    def _retry_once(
        self, response: requests.Response, **options: Any
    ) -> requests.Response:
        refused = response.request
        generation = getattr(refused, _GENERATION, None)
        if response.status_code != 401 or generation is None:
            return response
        self._reference.source().invalidate(generation)
        # Give the connection back before it is used again.
        response.content  # noqa: B018
        response.close()
        again = refused.copy()
        self._sign(again)
        # A second 401 is the caller's: without the mark it is not retried.
        delattr(again, _GENERATION)
        if hasattr(again.body, "seek"):
            again.body.seek(0)  # type: ignore[union-attr]  # hasattr is the check
        answer: requests.Response = response.connection.send(again, **options)
        answer.history.append(response)
        answer.request = again
        return answer


def _authorization(grant: Grant) -> str:
    """The header for a bearer (RFC 6750 §2.1) or a password (RFC 7617)."""
    credentials = grant.credentials
    if credentials.KIND == "bearer":
        return "Bearer " + credentials.reveal("token")
    if credentials.KIND == "username-password":
        pair = f"{credentials.public['username']}:{credentials.reveal('password')}"
        return "Basic " + base64.b64encode(pair.encode()).decode()
    raise NotLeased(
        f"a lease of {credentials.KIND} credentials cannot sign plain HTTP requests",
        remedy="use the lease's filesystem() or boto3_session()",
    )
