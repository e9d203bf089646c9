"""google-auth: checked at each request; refreshed there, or on request in a thread."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast
from unittest import mock

from google.auth import _helpers, credentials
from google.auth.exceptions import TransportError
from google.auth.transport.requests import AuthorizedSession, Request
from requests.adapters import HTTPAdapter

from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer, IssuerDown


class CountedCredentials(credentials.Credentials):
    """Written as google-auth's own are: `refresh` sets token and expiry."""

    def __init__(self, issuer: CountingIssuer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the base has no types
        self.token: str | None = None
        self._issuer = issuer

    def refresh(self, request: Request) -> None:
        """Fetch a token, as those of service accounts and identity pools do."""
        try:
            fresh = self._issuer.mint()
        except IssuerDown as error:
            raise TransportError(error) from error
        self.token = fresh.id
        end = datetime.datetime.fromtimestamp(fresh.expires_at, datetime.timezone.utc)
        self.expiry = end.replace(tzinfo=None)  # what the library keeps


class GoogleClient:
    """Credentials that are applied to a request's headers."""

    #: Its threshold is fixed: 3 min 45 s.
    due = 224.0
    pace = 0.0
    background = False
    refusal = "token"

    def __init__(self, issuer: CountingIssuer, *, non_blocking: bool) -> None:
        self._credentials = cast(Any, CountedCredentials(issuer))
        self._request = Request()
        if non_blocking:
            self._credentials.with_non_blocking_refresh()

    def read(self) -> str:
        """The header that a request would carry."""
        headers: dict[str, str] = {}
        self._credentials.before_request(
            self._request, "GET", "https://storage.example.org", headers
        )
        return headers["authorization"].removeprefix("Bearer ")

    def moved(self) -> None:
        """Its one function that reads time is replaced."""

    def requester(self, address: str) -> Callable[[], bool]:
        """GET by an `AuthorizedSession`, which refreshes and retries on 401."""
        session = AuthorizedSession(self._credentials)
        session.trust_env = False
        session.mount(address, HTTPAdapter(pool_maxsize=32))
        return lambda: session.get(f"{address}/bucket/key").status_code == 200


@contextmanager
def _made(
    issuer: CountingIssuer, clock: FakeClock, *, non_blocking: bool
) -> Iterator[GoogleClient]:
    def utcnow() -> datetime.datetime:
        now = datetime.datetime.fromtimestamp(clock.wall(), datetime.timezone.utc)
        return now.replace(tzinfo=None)

    with mock.patch.object(_helpers, "utcnow", utcnow):
        yield GoogleClient(issuer, non_blocking=non_blocking)


def blocking(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[GoogleClient]:
    """As users have it if they say nothing."""
    return _made(issuer, clock, non_blocking=False)


def non_blocking(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[GoogleClient]:
    """As users have it after `with_non_blocking_refresh`."""
    return _made(issuer, clock, non_blocking=True)
