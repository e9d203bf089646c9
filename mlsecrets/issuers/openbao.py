"""OpenBao and HashiCorp Vault: any path that answers with a credential.

::

    [issuers.bao]
    kind = "openbao"                 # or "vault": the two speak the same here
    address = "https://bao.example.org:8200"
    identity = "job"

    [scopes.mlflow]
    issuer = "bao"
    path = "identity/oidc/token/mlflow"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..errors import AccessRefused, IssuerError
from ..grant import Ending, Fate, Grant, Outcome, Terms
from ..issuer import Context, Limits
from ..keys import Key
from ..memory import Sealed
from ..scope import Scope
from ._bao_answers import credentials_of, is_identity_token, is_static
from ._bao_client import BaoClient
from ._bao_errors import lease_error, path_error, trouble
from ._bao_login import BaoLogin
from ._bao_reply import Reply
from ._bao_with_login import BaoWithLogin
from ._fields import duration, part, unusable, word
from ._sealed_json import Object

#: A JWT's instants are whole seconds (RFC 7519 §2, NumericDate), so up to one second of
#: the stated TTL has already passed when it is signed.
JWT_ROUNDING = 1.0


class OpenBao:
    """Reads paths as leases: dynamic secrets, KV version 2, identity tokens."""

    KEYS: ClassVar[Mapping[str, Key]] = {
        "address": Key("url", required=True, description="where the server listens"),
        "identity": Key(
            "identity", required=True, description="which identity to log in with"
        ),
        "namespace": Key("string", description="the namespace, if it has any"),
        "ca_file": Key("file", description="authorities to trust, as PEM"),
    }
    SCOPE_KEYS: ClassVar[Mapping[str, Key]] = {
        "path": Key(
            "string",
            required=True,
            description="what to read, below /v1/, such as database/creds/reader",
            pattern=r"[^/\s][^\s?#]*",
        ),
        "credentials": Key(
            "string",
            choices=("aws", "bearer", "username-password"),
            description="which shape the answer has; guessed from it if absent",
        ),
        "fields": Key(
            "table",
            description="credential field = key in the secret, where they differ",
        ),
        "parameters": Key(
            "table", description="sent as JSON: the path is then written, not read"
        ),
    }
    VERBS: ClassVar[frozenset[str]] = frozenset({"use", "read", "write"})

    def __init__(self, name: str, values: Mapping[str, Any], context: Context) -> None:
        self._clock = context.clock
        self._client = BaoClient(name, values, context.clock)
        self._where = self._client.where
        identity = context.identity(values["identity"])
        self.login = context.login(
            name, BaoLogin(self._client, identity, context.clock)
        )
        self._bao = BaoWithLogin(self._client, self.login, context.clock)

    def limits(self, scope: Scope) -> Limits:
        """Leases renew and revoke; a signed JWT and a stored value do neither."""
        path = scope.options["path"]
        if is_identity_token(path):
            return Limits(False, False, "a signed JWT ends at its TTL, never before")
        if is_static(path):
            return Limits(
                False, False, "a stored value lives until its owner rotates it"
            )
        return Limits(True, True, "renewed up to its max TTL, revoked at exit")

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """Nothing: where a bearer may go is in the scope's access."""
        return {}

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """Read the scope's path.

        Raises:
            AccessRefused: the policy, the path or the role does not allow it.
            IssuerUnavailable: not now; also when the engine's own back end is down.
        """
        path = scope.options["path"]
        parameters = scope.options.get("parameters")
        reply, login = self._bao.call(
            "GET" if parameters is None else "POST", path, timeout, parameters
        )
        with reply:
            if reply.status != 200:
                raise path_error(reply, self._where, path)
            content = self._client.decode(reply)
            terms = self._terms(scope, content, reply.sent_at, login)
            return Grant(terms, credentials_of(scope, content, self._where))

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Later terms for a dynamic secret's lease.

        Raises:
            GrantGone: it no longer exists, or has come to its max TTL.
            AccessRefused: the policy does not allow ``sys/leases/renew``.
            IssuerUnavailable: not now; also when the engine's own back end is down.
        """
        terms = grant.terms
        payload = {"lease_id": terms.lease_id, "increment": int(scope.ttl)}
        reply, _ = self._bao.call("POST", "sys/leases/renew", timeout, payload)
        with reply:
            if reply.status != 200:
                raise lease_error(reply, self._where, terms.lease_id)
            content = self._client.decode(reply)
            lifetime = duration(content, "lease_duration", self._where)
        return replace(
            terms,
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=reply.sent_at + lifetime,
            renewable=content.get("renewable") is True,
        )

    def retire(self, grant: Grant) -> Ending:
        """The lease's id is enough."""
        return Ending(grant.terms)

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """Revoke a dynamic secret; say why of what cannot be revoked."""
        terms = ending.terms
        if terms.lease_id.startswith("kv:"):
            return Outcome(
                Fate.STATIC, "a stored value lives until its owner rotates it"
            )
        if terms.lease_id.startswith("jwt:"):
            return Outcome(Fate.ENDS_AT_TTL, "a signed JWT cannot be revoked")
        payload = {"lease_id": terms.lease_id, "sync": True}
        reply, _ = self._bao.call("POST", "sys/leases/revoke", timeout, payload)
        with reply:
            return self._outcome(terms, reply)

    def _outcome(self, terms: Terms, reply: Reply) -> Outcome:
        unavailable = trouble(reply, self._where)
        # In its own words: a gateway's page has status 200, too.
        if unavailable is None and reply.status in {200, 204}:
            return Outcome(Fate.REVOKED)
        if unavailable is None and reply.status == 403:
            return Outcome(
                Fate.ENDS_AT_TTL,
                "the policy does not allow sys/leases/revoke; it also ends with the "
                "process's own token",
            )
        raise unavailable or lease_error(
            reply, self._where, terms.lease_id, "revocation"
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _terms(
        self, scope: Scope, content: Object, sent_at: float, login: Grant
    ) -> Terms:
        where, path = self._where, scope.options["path"]
        lease_id = content.get("lease_id")
        if not isinstance(lease_id, Sealed):
            raise unusable(where, "lease_id", "a text, empty for what is not leased")
        terms = Terms(
            scope=scope.name,
            # Stored, not leased: read again after the scope's own ttl, to see rotation.
            lease_id=f"kv:{path}",
            issued_at=self._clock.wall(),
            lifetime=scope.ttl,
            deadline=0.0,
        )
        if len(lease_id) > 0:
            # Dies with the login's token, whatever its own duration says.
            terms = replace(
                terms,
                lease_id=word(content, "lease_id", where),
                lifetime=duration(content, "lease_duration", where),
                renewable=content.get("renewable") is True,
                parent=login.terms.lease_id,
            )
        elif is_identity_token(path):
            terms = replace(
                terms,
                lease_id=f"jwt:{word(content, 'request_id', where)}",
                lifetime=duration(part(content, "data", where), "ttl", where)
                - JWT_ROUNDING,
            )
        self._check(scope, terms)
        return replace(terms, deadline=sent_at + terms.lifetime)

    def _check(self, scope: Scope, terms: Terms) -> None:
        if terms.lifetime <= 0:
            raise IssuerError(
                f"{self._where} granted {scope.name} for "
                f"{terms.lifetime:g} s, which is dead on arrival",
                remedy="raise the ttl of the role behind the path to 2 s or more",
            )
        if terms.lifetime > scope.max_ttl:
            raise AccessRefused(
                f"{self._where} granted {scope.name} for {terms.lifetime:g} s, "
                f"but its max_ttl is {scope.max_ttl:g} s",
                remedy="shorten the ttl of the role behind the scope's path, or raise "
                "max_ttl with the scope's owner",
            )
