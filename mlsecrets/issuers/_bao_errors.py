"""What OpenBao's and Vault's refusals mean: not now, or never.

The status code alone does not say: a 400 can be a lease that is gone, a database that
is down for a minute, or an expired JWT; a 403 can be a dead token or a policy; and
either can come from a gateway that knows nothing of the matter. The phrases below are
matched, never quoted: an answer's text is not ours to show. Those without another
source were measured on OpenBao 2.7.2.
"""

from __future__ import annotations

import re

from ..errors import (
    AccessRefused,
    BadAnswer,
    GrantGone,
    IdentityExpired,
    IssuerError,
    IssuerSealed,
    IssuerThrottled,
    IssuerUnavailable,
    LoginRefused,
)
from ._bao_reply import Reply
from ._words import Words, phrases

_GONE = phrases("lease not found", "invalid lease", "lease expired")
_JWT_EXPIRED = phrases("token is expired", "exp) claim", "expired")
#: The server cannot get the keys that JWTs are checked with. (What follows these words
#: quotes whoever holds the keys, so they are looked for first.)
_NO_KEYS = phrases("fetching keys", "keyset configuration error")
_JWT_TOO_EARLY = phrases("not yet valid", "nbf) claim", "iat) claim")
_NO_ROLE = re.compile(
    rb"unknown role|\brole\b.*\b(not found|not be found)", re.IGNORECASE
)
_WRONG_PAIR = phrases("invalid role or secret")
_NO_ENTITY = phrases("no entity")
#: A lease that lives, but has come to the end of its renewals.
_CAPPED = phrases("past the max ttl", "lease is not renewable")
#: An engine's own back end refused: not the lease, and not the caller.
_ENGINE = phrases("failed to renew entry", "failed to revoke entry")
_SEALED = phrases("sealed")
#: A list of what went wrong, which is how a policy says no.
_LISTED = phrases("1 error occurred")
_DENIED = phrases("permission denied")
_INVALID_TOKEN = phrases("invalid token")
_NOTHING = Words()


def trouble(reply: Reply, where: str) -> IssuerUnavailable | None:
    """The error for an answer that says nothing about what was asked, else None.

    Codes as in the vendor's "HTTP status codes" page: 412 a standby that lags, 429
    throttled, 472/473 standby, 5xx broken or sealed.
    """
    said = reply.words
    if reply.status == 429:
        return IssuerThrottled(
            f"{where} asks to be called later (429)",
            retry_after=reply.retry_after,
            remedy="raise the rate-limit quota, or lengthen the scopes' ttl",
        )
    if reply.status == 503 and said is not None and said.have(_SEALED):
        return IssuerSealed(
            f"{where} is sealed",
            retry_after=reply.retry_after,
            remedy="an operator has to unseal it (bao operator unseal)",
        )
    if reply.status in {412, 472, 473} or reply.status >= 500:
        return IssuerUnavailable(
            f"{where} is not able to answer now ({reply.status})",
            retry_after=reply.retry_after,
            remedy="look at the server's log; the request is repeated by itself",
        )
    if said is None and reply.status != 204:  # which is OpenBao's, and has no body
        return BadAnswer(
            f"{where} answers {reply.status}, but not as OpenBao or Vault does",
            retry_after=reply.retry_after,
            remedy="check its address, and the gateway or proxy in between",
        )
    return None


def refused_by_policy(reply: Reply) -> bool:
    """Whether a 403 comes from a policy, and so from a token that is alive.

    OpenBao and Vault list what the policy said ("1 error occurred: permission
    denied"); for a dead token they say "permission denied" alone, or "invalid token"
    besides (Vault).
    """
    said = reply.words or _NOTHING
    return (
        reply.status == 403
        and said.have(_LISTED)
        and said.have(_DENIED)
        and not said.have(_INVALID_TOKEN)
    )


def login_error(reply: Reply, where: str, kind: str, path: str) -> IssuerError:
    """The error for a refused login."""
    unavailable = trouble(reply, where)
    if unavailable is not None:
        return unavailable
    said = reply.words or _NOTHING
    refused = f"{where} refuses the {kind} identity"
    if "jwt" in kind:
        error = _jwt_error(said, where, refused)
        if error is not None:
            return error
    if said.have(_NO_ROLE):
        return LoginRefused(
            f"{refused}: it knows no such role at {path}",
            remedy="correct the identity's role or mount in the manifest",
        )
    if said.have(_WRONG_PAIR):
        # OpenBao does not say which, so that nobody learns which role ids exist.
        return LoginRefused(
            f"{refused} at {path}: wrong role or secret id",
            remedy="check both files: the secret id may have been rotated or used up",
        )
    return LoginRefused(
        f"{refused} at {path} ({reply.status})",
        remedy="check the identity's files and that the auth method is mounted there",
    )


def _jwt_error(said: Words, where: str, refused: str) -> IssuerError | None:
    if said.have(_NO_KEYS):
        return IssuerUnavailable(
            f"{where} cannot get the keys to check the JWT with",
            remedy="check that the server reaches the jwks_url or oidc_discovery_url "
            "of its auth method",
        )
    if said.have(_JWT_TOO_EARLY):
        return IssuerUnavailable(
            f"{where} finds that the JWT is not valid yet",
            remedy="synchronise the clocks of the platform that writes the JWT and of "
            "the server, or set the role's not_before_leeway",
        )
    if said.have(_JWT_EXPIRED):
        return IdentityExpired(
            f"{refused}: its JWT has expired",
            remedy="have the platform write a fresh JWT to the identity's file",
        )
    return None


def path_error(reply: Reply, where: str, path: str) -> IssuerError:
    """The error for a refused read of a path."""
    unavailable = trouble(reply, where)
    if unavailable is not None:
        return unavailable
    said = reply.words or _NOTHING
    if reply.status == 404:
        return AccessRefused(
            f"{where} has nothing at {path} (404)",
            remedy="correct the scope's path; KV version 2 is read at MOUNT/data/NAME",
        )
    if reply.status == 403:
        return AccessRefused(
            f"{where} does not let this identity read {path} (403)",
            remedy="ask the scope's owner for a policy that allows it",
        )
    if reply.status == 405:
        return AccessRefused(
            f"{where} does not give out {path} in this way (405)",
            remedy="correct the scope's path; one that has to be written needs "
            "parameters, one that is read has none",
        )
    if said.have(_NO_ENTITY):
        return AccessRefused(
            f"{where} cannot issue {path}: the login has no entity",
            remedy="log in by an auth method (not a bare token), so that OpenBao knows "
            "whom the JWT is for",
        )
    if reply.status == 400 and said.have(_NO_ROLE):
        return AccessRefused(
            f"{where} knows no such role: {path}",
            remedy="correct the scope's path",
        )
    return _engine_trouble(reply, where, path)


def lease_error(
    reply: Reply, where: str, lease_id: str, deed: str = "renewal"
) -> IssuerError:
    """The error for a lease that was not renewed or not revoked.

    Args:
        deed: ``renewal`` or ``revocation``.
    """
    unavailable = trouble(reply, where)
    if unavailable is not None:
        return unavailable
    said = reply.words or _NOTHING
    if reply.status == 400 and said.have(_CAPPED):
        return GrantGone(f"{where} no longer renews lease {lease_id}")
    if said.have(_ENGINE):
        return _engine_trouble(reply, where, f"the {deed} of {lease_id}")
    if reply.status == 400 and said.have(_GONE):
        return GrantGone(f"{where} no longer knows lease {lease_id}")
    if reply.status == 403:
        return AccessRefused(
            f"{where} does not allow the {deed} of {lease_id} (403)",
            remedy="ask for a policy that allows update on sys/leases/renew",
        )
    return _engine_trouble(reply, where, f"the {deed} of {lease_id}")


def token_error(reply: Reply, where: str) -> IssuerError:
    """The error for a login's token that was not renewed (``renew-self``)."""
    unavailable = trouble(reply, where)
    if unavailable is not None:
        return unavailable
    if refused_by_policy(reply):
        return AccessRefused(
            f"{where} does not let this login renew itself (403)",
            remedy="give the identity's tokens the policy default, or update on "
            "auth/token/renew-self",
        )
    if reply.status in {400, 403}:
        # The token is dead, of a kind that does not renew, or at its ceiling: only a
        # new login helps.
        return GrantGone(f"{where} no longer renews this login")
    return _engine_trouble(reply, where, "the renewal of this login")


def _engine_trouble(reply: Reply, where: str, what: str) -> IssuerUnavailable:
    if reply.status == 400:
        # An engine whose own back end (a database) is down answers 400 as well: worth
        # another try, at the pace of the back-off.
        return IssuerUnavailable(
            f"{where} could not serve {what} (400)",
            retry_after=reply.retry_after,
            remedy="look at the server's log: the engine behind it may be down",
        )
    return BadAnswer(
        f"{where} answers {what} with status {reply.status}: expected 200, or a "
        "refusal that says why",
        remedy="check the scope's path, and the gateway or proxy in between",
    )
