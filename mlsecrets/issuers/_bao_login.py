"""The process's own OpenBao token, as a grant like any other.

A login is issued, renewed, replaced when it cannot grow any more, and revoked at the
end: what every lease does. Everything issued under it dies with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar

from ..clock import Clock
from ..credentials import BearerToken
from ..errors import BadAnswer, GrantGone
from ..grant import Ending, Fate, Grant, Outcome, Terms
from ..issuer import Identity, Limits
from ..keys import Key
from ..memory import SecretBuffer
from ..scope import Scope
from ._bao_client import BaoClient
from ._bao_errors import login_error, renewal_error


class BaoLogin:
    """Issues tokens to this process by logging in with its identity."""

    KEYS: ClassVar[Mapping[str, Key]] = {}
    SCOPE_KEYS: ClassVar[Mapping[str, Key]] = {}
    VERBS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, client: BaoClient, identity: Identity, clock: Clock) -> None:
        self._client = client
        self._identity = identity
        self._clock = clock

    def limits(self, scope: Scope) -> Limits:
        """A service token renews up to its max TTL and revokes itself."""
        return Limits(True, True, "the process's own token: revoked at exit")

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """Nothing: where a bearer may go is in the scope's access."""
        return {}

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """Log in.

        Raises:
            IdentityError: the identity's files are not usable.
            LoginRefused: they are, and the issuer refuses them.
        """
        path = self._identity.login_path
        answer = self._client.call(
            "POST", path, timeout=timeout, payload=self._identity.payload()
        )
        if answer.status != 200:
            raise login_error(answer, self._client.where, self._identity.KIND, path)
        auth = self._client.decode(answer).get("auth")
        if not isinstance(auth, dict) or "client_token" not in auth:
            raise BadAnswer(f"{self._client.where} answers a login without a token")
        lifetime = float(auth["lease_duration"])
        terms = Terms(
            scope=scope.name,
            # A batch token has no accessor: it can be neither renewed nor revoked.
            lease_id=auth.get("accessor") or "batch token",
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=answer.sent_at + lifetime,
            renewable=bool(auth.get("renewable")),
        )
        return Grant(terms, BearerToken.of(auth["client_token"]))

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Later terms for the same token (``renew-self``)."""
        answer = self._client.call(
            "POST",
            "auth/token/renew-self",
            timeout=timeout,
            token=partial(grant.credentials.reveal, "token"),
            payload={},
        )
        if answer.status in {400, 403}:
            # The token is dead or has reached its ceiling: only a new login helps.
            raise GrantGone(f"{self._client.where} no longer renews this login")
        if answer.status != 200:
            raise renewal_error(answer, self._client.where, grant.terms.lease_id)
        lifetime = float(self._client.decode(answer)["auth"]["lease_duration"])
        return replace(
            grant.terms,
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=answer.sent_at + lifetime,
        )

    def retire(self, grant: Grant) -> Ending:
        """Only the token itself can revoke itself: keep it, sealed, until then."""
        with grant.credentials.buffer.reading() as view:
            return Ending(grant.terms, SecretBuffer.of(view))

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """Revoke the token and with it every lease that was issued under it."""
        proof = ending.proof
        assert proof is not None  # noqa: S101  (retire made it)
        answer = self._client.call(
            "POST",
            "auth/token/revoke-self",
            timeout=timeout,
            token=proof.text,
            payload={},
        )
        if answer.status in {200, 204}:
            return Outcome(Fate.REVOKED)
        if answer.status == 403:
            return Outcome(Fate.EXPIRED, "the issuer no longer knew the token")
        raise renewal_error(answer, self._client.where, ending.terms.lease_id)

    def close(self) -> None:
        """Nothing of its own: the client belongs to the issuer."""
