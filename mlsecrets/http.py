"""Leased bearer tokens and passwords for `requests`.

>>> with mlsecrets.lease("tracking") as creds:               # doctest: +SKIP
...     with creds.http_session() as session:
...         session.get("https://tracking.example.org/api")

Such a session only ever sees a placeholder; the true value is written into the head of
each request as that is sent. `LeaseAuth` is for sessions of others, which insist on a
Python string.
"""

from __future__ import annotations

import base64
from typing import Any

import requests
from requests.auth import AuthBase

from ._late import (
    BASIC,
    LateAdapter,
    LateAuth,
    LateSession,
    check_place,
    give_back,
    preparing_late,
    rewound,
    scheme_of,
)
from ._reference import Reference
from .grant import Grant

__all__ = ["LateAdapter", "LateAuth", "LateSession", "LeaseAuth"]


class LeaseAuth(AuthBase):
    """Signs each request with what the lease holds at that moment.

    On a session of a lease it puts a placeholder into the request. On any other it
    reveals the value: the header is a Python string, of which copies stay behind.

    A 401 is answered once, with credentials made after the refused ones. The credential
    goes only where the scope's access says ``use``: a request to any other place fails
    before it is sent.

    Args:
        scope: the lease's scope, or its reference.
        reader: which library signs with it; shown in the lease's exposure.
    """

    def __init__(self, scope: str | Reference, reader: str = "requests") -> None:
        self._reference = Reference(scope) if isinstance(scope, str) else scope
        self._reader = reader

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
        if preparing_late():
            check_place(self._reference.view(), request.url or "")
            return LateAuth(self._reference)(request)
        message = _Revealed(self._reference, self._reader)
        message.sign(request)
        request.register_hook("response", message.answered)
        return request


class _Revealed:
    """One request that carries a revealed value, with its redirects and its retry.

    It is under way until it is answered or, for `requests` tells nobody of a failure,
    until everything that could send it again has been dropped.
    """

    def __init__(self, lease: Reference, reader: str) -> None:
        self._lease = lease
        self._reader = reader
        self._generation: int | None = None

    def sign(self, request: requests.PreparedRequest) -> None:
        """Put the value into a request."""
        check_place(self._lease.view(), request.url or "")
        grant = self._lease.source().snapshot()
        # Kept: an answer may come after the lease has ended.
        self._exposures = grant.credentials.exposures
        self._exposures.sent(self)
        request.headers["Authorization"] = _authorization(grant, self._reader)
        self._generation = grant.terms.generation

    def answered(
        self, response: requests.Response, **options: Any
    ) -> requests.Response:
        """Retry what was refused (called by `requests`, for redirects too)."""
        answer = response
        if response.status_code == 401 and self._generation is not None:
            answer = self._again(response, self._generation, options)
        if not answer.is_redirect:
            self._exposures.answered(self)
        return answer

    def _again(
        self, response: requests.Response, generation: int, options: dict[str, Any]
    ) -> requests.Response:
        self._lease.source().invalidate(generation)
        again = response.request.copy()
        if not rewound(again):
            return response
        give_back(response)
        self.sign(again)
        # A second 401 is the caller's.
        self._generation = None
        answer: requests.Response = response.connection.send(again, **options)
        answer.history.append(response)
        answer.request = again
        return answer


def _authorization(grant: Grant, reader: str) -> str:
    """The header for a bearer (RFC 6750 §2.1) or a password (RFC 7617)."""
    credentials = grant.credentials
    scheme, field = scheme_of(credentials.KIND)
    if field != BASIC:
        return f"{scheme} {credentials.reveal(field, reader)}"
    password = credentials.reveal("password", reader)
    pair = f"{credentials.public['username']}:{password}"
    return f"{scheme} {base64.b64encode(pair.encode()).decode()}"
