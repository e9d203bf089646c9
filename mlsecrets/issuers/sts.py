"""Any S3-compatible STS: sessions by web identity, narrowed to the scope's access.

::

    [issuers.store]
    kind = "sts"
    address = "https://sts.example.org"
    endpoint = "https://s3.example.org"
    web_identity = "bao:identity/oidc/token/s3"
    revoker = "store"

    [scopes.train-data]
    issuer = "store"
    role = "arn:aws:iam::123456789012:role/data-reader"
    access = ["read s3://datasets/digits/*"]
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

from ..errors import AccessRefused, ClockSkew, IssuerError
from ..grant import Ending, Fate, Grant, Outcome, Terms
from ..issuer import Context, Limits
from ..keys import Key
from ..memory import Draft
from ..policy import session_policy
from ..scope import Scope
from ._answer import Answer
from ._deadline import within
from ._http import HTTPClient
from ._revoker import PROOF_LIFETIME, Revoker
from ._server_clock import ServerClock
from ._sts_answers import (
    LateJWT,
    Leaves,
    expiration,
    parse,
    refusal,
    session_credentials,
)

log = logging.getLogger("mlsecrets")

#: The shortest DurationSeconds that AWS accepts (STS API Reference,
#: "AssumeRoleWithWebIdentity"); for less, the store's own default decides.
SHORTEST_DURATION = 900
#: The longest RoleSessionName (same page: 2 to 64 characters of [\w+=,.@-]).
SESSION_NAME_LENGTH = 64
#: Seconds of clock error past which signatures are refused (15 min on AWS); half of it,
#: so that the job hears of it before the store does.
MAX_SKEW = 450.0


class STS:
    """Trades the process's JWT for a session that can do what the scope says."""

    KEYS: ClassVar[Mapping[str, Key]] = {
        "address": Key("url", required=True, description="the STS endpoint"),
        "endpoint": Key("url", description="the S3 endpoint, if it is another"),
        "region": Key("string", description="the region to sign for; else us-east-1"),
        "web_identity": Key(
            "issuer-path",
            required=True,
            description="where the JWT comes from: ISSUER:PATH",
        ),
        "revoker": Key("revoker", description="which revoker ends sessions early"),
        "ca_file": Key("file", description="authorities to trust, as PEM"),
    }
    SCOPE_KEYS: ClassVar[Mapping[str, Key]] = {
        "role": Key(
            "string", required=True, description="the ARN of the role to assume"
        ),
    }
    VERBS: ClassVar[frozenset[str]] = frozenset({"read", "write"})

    def __init__(self, name: str, values: Mapping[str, Any], context: Context) -> None:
        self._where = f"issuer {name}"
        self._clock = context.clock
        self._region: str = values.get("region", "us-east-1")
        self._endpoint: str = values.get("endpoint", values["address"])
        self._ca_file = values.get("ca_file")
        self._http = HTTPClient(
            self._where, values["address"], context.clock, self._ca_file
        )
        issuer, _, self._jwt_path = values["web_identity"].partition(":")
        self._jwt_issuer = context.issuer(issuer)
        self.login = self._jwt_issuer.login
        self._store_clock = ServerClock(context.clock)
        self._revoker: Revoker | None = None
        if "revoker" in values:
            self._revoker = Revoker(
                values["revoker"],
                context.revoker(values["revoker"]),
                values["address"],
                self._region,
                context.clock,
            )

    def limits(self, scope: Scope) -> Limits:
        """A session is replaced, not renewed; only a revoker ends it early."""
        if self._revoker is None:
            return Limits(
                False, False, "an STS session ends at its TTL: no revoker is named"
            )
        return Limits(False, True, "an STS session is ended by the platform's revoker")

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """Where the store is and how to sign for it."""
        settings = {"endpoint_url": self._endpoint, "region_name": self._region}
        if self._ca_file is not None:
            settings["ca_file"] = str(self._ca_file)
        return settings

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """Assume the scope's role, with a session policy made from its access.

        Raises:
            AccessRefused: the role, its trust policy or the session policy forbids it.
            IssuerUnavailable: not now; also when two JWTs died on their way.
            ClockSkew: requests signed by this machine's clock would be refused.
        """
        with within(self._clock, timeout):
            try:
                return self._issue(scope, timeout)
            except LateJWT as late:
                log.info("%s; another is fetched", late)
            # Not in the handler: a second error would keep the frames of the first.
            return self._issue(scope, timeout)

    def _issue(self, scope: Scope, timeout: float) -> Grant:
        # The unique name is what a revoker denies and what the store's log shows.
        session = f"{scope.name[:31]}-{uuid.uuid4().hex}"[:SESSION_NAME_LENGTH]
        with self._assume(scope, session, timeout) as answer:
            if answer.status != 200:
                raise refusal(answer, self._where, scope.options["role"])
            leaves = parse(answer, self._where)
            self._store_clock.hear(answer)
            terms = self._terms(scope, session, leaves, answer)
            grant = Grant(terms, session_credentials(leaves, self._where))
        trouble = self._clock_trouble(answer) or self._terms_trouble(scope, grant.terms)
        if trouble is not None:
            self._discard(grant, timeout)
            raise trouble
        return grant

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Not possible: an STS session has one end, set at its start."""
        raise IssuerError(f"{self._where} cannot renew a session, only replace it")

    def retire(self, grant: Grant) -> Ending:
        """Sign the proof of possession while the key is still here.

        By the store's clock, not this machine's, which may have jumped since.
        """
        if self._revoker is None:
            return Ending(grant.terms)
        until = self._clock.monotonic() + PROOF_LIFETIME
        proof = self._revoker.proof(grant, self._store_clock.now())
        return Ending(grant.terms, proof, until)

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """Have the revoker deny the session, where there is one."""
        if self._revoker is None or ending.proof is None:
            return Outcome(Fate.ENDS_AT_TTL, "no revoker is named for this store")
        if self._clock.monotonic() >= (ending.proof_deadline or 0.0):
            return Outcome(
                Fate.ENDS_AT_TTL,
                "it was replaced over 15 minutes ago, when its proof was signed",
            )
        outcome = self._revoker.end(ending.proof, timeout)
        left = ending.terms.remaining(self._clock.monotonic())
        if outcome.fate is not Fate.REVOKED and left <= 0:
            # Over by our count, which may be short: the store has just confirmed it.
            return Outcome(Fate.EXPIRED, "the store no longer knows it")
        return outcome

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        if self._revoker is not None:
            self._revoker.close()

    def _assume(self, scope: Scope, session: str, timeout: float) -> Answer:
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": scope.options["role"],
            "RoleSessionName": session,
            "Policy": session_policy(scope.access),
        }
        if scope.ttl >= SHORTEST_DURATION:
            form["DurationSeconds"] = str(int(scope.ttl))
        jwt_scope = replace(
            scope, options={"path": self._jwt_path, "credentials": "bearer"}
        )
        jwt = self._jwt_issuer.issue(jwt_scope, timeout).credentials
        with Draft() as body:
            with closing(jwt):
                body.add(urlencode(form)).add("&WebIdentityToken=")
                body.add_form(jwt.sealed("token"))
            return self._http.call(
                "POST",
                "/",
                timeout=timeout,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=body.sealed,
            )

    def _terms(
        self, scope: Scope, session: str, leaves: Leaves, answer: Answer
    ) -> Terms:
        # Both instants are the server's, so that our own clock cannot lengthen the
        # life; Date counts whole seconds, hence one second less.
        now = self._store_clock.now() if answer.date is None else answer.date
        lifetime = expiration(leaves, self._where) - (now + 1.0)
        return Terms(
            scope=scope.name,
            lease_id=session,
            issued_at=self._clock.wall(),
            lifetime=lifetime,
            deadline=answer.sent_at + lifetime,
        )

    def _terms_trouble(self, scope: Scope, terms: Terms) -> IssuerError | None:
        granted = f"{self._where} granted {scope.name} for {terms.lifetime:.0f} s"
        if terms.lifetime > scope.max_ttl:
            return AccessRefused(
                f"{granted}, but its max_ttl is {scope.max_ttl:g} s",
                remedy="lower the session duration at the store, or raise max_ttl with "
                "the scope's owner",
            )
        if terms.lifetime <= 0:
            return IssuerError(
                f"{granted}, which is dead on arrival",
                remedy="raise the session duration at the store to 2 s or more",
            )
        return None

    def _clock_trouble(self, answer: Answer) -> IssuerError | None:
        if answer.skew is None or abs(answer.skew) <= MAX_SKEW:
            return None
        direction = "ahead of" if answer.skew > 0 else "behind"
        return ClockSkew(
            f"this machine's clock is {abs(answer.skew):.0f} s {direction} that of "
            f"{self._where}: the store would refuse every signature",
            remedy="synchronise it (timedatectl set-ntp true, or chronyc makestep)",
        )

    def _discard(self, grant: Grant, timeout: float) -> None:
        """End a session that is not wanted after all, if that can be done."""
        try:
            if self._revoker is not None:
                # By the store's clock: ours may be what is wrong.
                with self._revoker.proof(grant, self._store_clock.now()) as proof:
                    self._revoker.end(proof, timeout)
        except IssuerError:
            # It ends at its TTL; why it is not wanted is what the caller has to hear.
            log.warning("session %s was not revoked", grant.terms.lease_id)
        finally:
            grant.credentials.close()
