"""Requests in the name of the process's own login."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import Clock
from ..errors import IdentityError, IssuerError, LeaseExpired
from ..grant import Grant
from ..issuer import Login
from ._bao_client import BaoClient
from ._bao_errors import refused_by_policy, trouble
from ._bao_reply import Reply
from ._deadline import within


class BaoWithLogin:
    """A client that sends the login's token, and has a dead one replaced.

    Args:
        client: the server.
        login: gives the token.
        clock: reads time.
    """

    def __init__(self, client: BaoClient, login: Login, clock: Clock) -> None:
        self._client = client
        self._login = login
        self._clock = clock

    def call(
        self,
        method: str,
        path: str,
        timeout: float,
        payload: Mapping[str, Any] | None,
    ) -> tuple[Reply, Grant]:
        """One reply, to be closed by the caller, and the login it was asked with.

        A 403 means a policy that says no as well as a dead token. Only the second is
        cured by a new login, so the token is asked which it is.

        Args:
            timeout: seconds for all of it, logins included.

        Raises:
            IssuerUnavailable: also when a dead token could not be replaced yet, or
                whoever answered does not know whether it is dead.
        """
        with within(self._clock, timeout):
            reply, login = self._once(method, path, timeout, payload)
            if not self._dead(login, reply, timeout):
                return reply, login
            reply.close()
            self._login.invalidate(login.terms.generation, certain=True)
            return self._once(method, path, timeout, payload)

    def _once(
        self,
        method: str,
        path: str,
        timeout: float,
        payload: Mapping[str, Any] | None,
    ) -> tuple[Reply, Grant]:
        login = self._logged_in()
        token = login.credentials.sealed("token")
        reply = self._client.call(
            method, path, timeout=timeout, token=token, payload=payload
        )
        return reply, login

    def _logged_in(self) -> Grant:
        try:
            return self._login.snapshot()
        except LeaseExpired as expired:
            # Why there is no login any more is what the lease needs to know: whether
            # another try helps, and what to do about it.
            if isinstance(expired.__cause__, (IssuerError, IdentityError)):
                raise expired.__cause__ from None
            raise

    def _dead(self, login: Grant, reply: Reply, timeout: float) -> bool:
        """Whether a reply says that the login's token is dead."""
        where = self._client.where
        if reply.status != 403 or trouble(reply, where) is not None:
            return False
        with self._client.call(
            "GET",
            "auth/token/lookup-self",
            timeout=timeout,
            token=login.credentials.sealed("token"),
        ) as about:
            unavailable = trouble(about, where)
            if unavailable is not None:
                raise unavailable
            # A token without the policy "default" may not ask about itself, but lives.
            return about.status == 403 and not refused_by_policy(about)
