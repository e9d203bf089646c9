"""The process's own OpenBao token, as a grant like any other.

A login is issued, renewed, replaced when it cannot grow any more, and revoked at the
end: what every lease does. Everything issued under it dies with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from ..clock import Clock
from ..credentials import BearerToken
from ..errors import IssuerError
from ..grant import Ending, Fate, Grant, Outcome, Terms
from ..issuer import Identity, Limits
from ..keys import Key
from ..memory import Sealed, SecretBuffer
from ..scope import Scope
from ._bao_client import BaoClient
from ._bao_errors import (
    lease_error,
    login_error,
    refused_by_policy,
    token_error,
    trouble,
)
from ._bao_reply import Reply
from ._fields import duration, part, secret_word, word

#: What stands in for the accessor that batch tokens do not have.
NO_ACCESSOR = "batch token"


class BaoLogin:
    """Issues tokens to this process by logging in with its identity."""

    login = None
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
            IssuerUnavailable: not now; also when the issuer cannot get the keys that
                a JWT is checked with.
        """
        path = self._identity.login_path
        with self._identity.payload() as payload:
            reply = self._client.call(
                "POST", path, timeout=timeout, payload=payload.sealed
            )
        with reply:
            if reply.status != 200:
                raise login_error(reply, self._client.where, self._identity.KIND, path)
            return self._granted(scope, reply)

    def _granted(self, scope: Scope, reply: Reply) -> Grant:
        where = self._client.where
        auth = part(self._client.decode(reply), "auth", where)
        token = secret_word(auth, "client_token", where)
        lifetime = duration(auth, "lease_duration", where)
        if lifetime <= 0:
            raise IssuerError(
                f"{where} granted a login for 0 s, which is dead on arrival",
                remedy="give the identity's role a token_ttl of 2 s or more",
            )
        terms = Terms(
            scope=scope.name,
            # A batch token has none: it can be neither renewed nor revoked.
            lease_id=(
                word(auth, "accessor", where) if auth.get("accessor") else NO_ACCESSOR
            ),
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=reply.sent_at + lifetime,
            renewable=auth.get("renewable") is True,
        )
        return Grant(terms, BearerToken.of(token))

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Later terms for the same token (``renew-self``).

        Raises:
            GrantGone: the token is dead, or has come to its max TTL.
            AccessRefused: its policies do not let it renew itself.
        """
        where = self._client.where
        with self._client.call(
            "POST",
            "auth/token/renew-self",
            timeout=timeout,
            token=grant.credentials.sealed("token"),
            payload={},
        ) as reply:
            if reply.status != 200:
                raise token_error(reply, where)
            auth = part(self._client.decode(reply), "auth", where)
            lifetime = duration(auth, "lease_duration", where)
        return replace(
            grant.terms,
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=reply.sent_at + lifetime,
        )

    def retire(self, grant: Grant) -> Ending:
        """Only the token itself can revoke itself: keep it, sealed, until then."""
        with grant.credentials.buffer.reading() as view:
            return Ending(grant.terms, SecretBuffer.of(view))

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """Revoke the token and with it every lease that was issued under it."""
        proof = ending.proof
        assert proof is not None  # noqa: S101  (retire made it)
        with self._client.call(
            "POST",
            "auth/token/revoke-self",
            timeout=timeout,
            token=Sealed(proof, 0, proof.size),
            payload={},
        ) as reply:
            return self._outcome(ending, reply)

    def _outcome(self, ending: Ending, reply: Reply) -> Outcome:
        unavailable = trouble(reply, self._client.where)
        # In its own words: a gateway's page has status 200, too.
        if unavailable is None and reply.status in {200, 204}:
            return Outcome(Fate.REVOKED)
        if unavailable is None and reply.status == 403:
            if refused_by_policy(reply):
                return Outcome(
                    Fate.ENDS_AT_TTL, "the policy does not allow auth/token/revoke-self"
                )
            return Outcome(Fate.EXPIRED, "the issuer no longer knew the token")
        if unavailable is None and ending.terms.lease_id == NO_ACCESSOR:
            return Outcome(Fate.ENDS_AT_TTL, "a batch token cannot be revoked")
        raise unavailable or lease_error(
            reply, self._client.where, ending.terms.lease_id, "revocation"
        )

    def close(self) -> None:
        """Nothing of its own: the client belongs to the issuer."""
