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
from ._answer import Answer

_GONE = ("lease not found", "invalid lease", "lease expired")
_JWT_EXPIRED = ("token is expired", "exp) claim", "expired")
#: The server cannot get the keys that JWTs are checked with. (What follows these words
#: quotes whoever holds the keys, so they are looked for first.)
_NO_KEYS = ("fetching keys", "keyset configuration error")
_JWT_TOO_EARLY = ("not yet valid", "nbf) claim", "iat) claim")
_NO_ROLE = re.compile(r"unknown role|\brole\b.*\b(not found|not be found)")
#: A lease that lives, but has come to the end of its renewals.
_CAPPED = ("past the max ttl", "lease is not renewable")
#: An engine's own back end refused: not the lease, and not the caller.
_ENGINE = ("failed to renew entry", "failed to revoke entry")


def own_words(answer: Answer) -> str | None:
    """An answer's ``errors`` as one lower-case text; None if it is not the server's.

    Everything OpenBao and Vault say is a JSON object with a list of ``errors`` (an
    empty one for a path with nothing there) or, for a version of a stored value that
    was deleted, with a ``request_id``.
    """
    reply = answer.json()
    if reply is None:
        return None
    errors = reply.get("errors")
    if isinstance(errors, list) and all(isinstance(said, str) for said in errors):
        return " ".join(errors).lower()
    return "" if isinstance(reply.get("request_id"), str) else None


def trouble(answer: Answer, where: str) -> IssuerUnavailable | None:
    """The error for an answer that says nothing about what was asked, else None.

    Codes as in the vendor's "HTTP status codes" page: 412 a standby that lags, 429
    throttled, 472/473 standby, 5xx broken or sealed.
    """
    said = own_words(answer)
    if answer.status == 429:
        return IssuerThrottled(
            f"{where} asks to be called later (429)",
            retry_after=answer.retry_after,
            remedy="raise the rate-limit quota, or lengthen the scopes' ttl",
        )
    if answer.status == 503 and said is not None and "sealed" in said:
        return IssuerSealed(
            f"{where} is sealed",
            retry_after=answer.retry_after,
            remedy="an operator has to unseal it (bao operator unseal)",
        )
    if answer.status in {412, 472, 473} or answer.status >= 500:
        return IssuerUnavailable(
            f"{where} is not able to answer now ({answer.status})",
            retry_after=answer.retry_after,
            remedy="look at the server's log; the request is repeated by itself",
        )
    if said is None and answer.status != 204:  # which is OpenBao's, and has no body
        return BadAnswer(
            f"{where} answers {answer.status}, but not as OpenBao or Vault does",
            retry_after=answer.retry_after,
            remedy="check its address, and the gateway or proxy in between",
        )
    return None


def refused_by_policy(answer: Answer) -> bool:
    """Whether a 403 comes from a policy, and so from a token that is alive.

    OpenBao and Vault list what the policy said ("1 error occurred: permission
    denied"); for a dead token they say "permission denied" alone, or "invalid token"
    besides (Vault).
    """
    said = own_words(answer) or ""
    return (
        answer.status == 403
        and "1 error occurred" in said
        and "permission denied" in said
        and "invalid token" not in said
    )


def login_error(answer: Answer, where: str, kind: str, path: str) -> IssuerError:
    """The error for a refused login."""
    unavailable = trouble(answer, where)
    if unavailable is not None:
        return unavailable
    said = own_words(answer) or ""
    refused = f"{where} refuses the {kind} identity"
    if "jwt" in kind:
        error = _jwt_error(said, where, refused)
        if error is not None:
            return error
    if _NO_ROLE.search(said):
        return LoginRefused(
            f"{refused}: it knows no such role at {path}",
            remedy="correct the identity's role or mount in the manifest",
        )
    if "invalid role or secret" in said:
        # OpenBao does not say which, so that nobody learns which role ids exist.
        return LoginRefused(
            f"{refused} at {path}: wrong role or secret id",
            remedy="check both files: the secret id may have been rotated or used up",
        )
    return LoginRefused(
        f"{refused} at {path} ({answer.status})",
        remedy="check the identity's files and that the auth method is mounted there",
    )


def _jwt_error(said: str, where: str, refused: str) -> IssuerError | None:
    if any(phrase in said for phrase in _NO_KEYS):
        return IssuerUnavailable(
            f"{where} cannot get the keys to check the JWT with",
            remedy="check that the server reaches the jwks_url or oidc_discovery_url "
            "of its auth method",
        )
    if any(phrase in said for phrase in _JWT_TOO_EARLY):
        return IssuerUnavailable(
            f"{where} finds that the JWT is not valid yet",
            remedy="synchronise the clocks of the platform that writes the JWT and of "
            "the server, or set the role's not_before_leeway",
        )
    if any(phrase in said for phrase in _JWT_EXPIRED):
        return IdentityExpired(
            f"{refused}: its JWT has expired",
            remedy="have the platform write a fresh JWT to the identity's file",
        )
    return None


def path_error(answer: Answer, where: str, path: str) -> IssuerError:
    """The error for a refused read of a path."""
    unavailable = trouble(answer, where)
    if unavailable is not None:
        return unavailable
    said = own_words(answer) or ""
    if answer.status == 404:
        return AccessRefused(
            f"{where} has nothing at {path} (404)",
            remedy="correct the scope's path; KV version 2 is read at MOUNT/data/NAME",
        )
    if answer.status == 403:
        return AccessRefused(
            f"{where} does not let this identity read {path} (403)",
            remedy="ask the scope's owner for a policy that allows it",
        )
    if answer.status == 405:
        return AccessRefused(
            f"{where} does not give out {path} in this way (405)",
            remedy="correct the scope's path; one that has to be written needs "
            "parameters, one that is read has none",
        )
    if "no entity" in said:
        return AccessRefused(
            f"{where} cannot issue {path}: the login has no entity",
            remedy="log in by an auth method (not a bare token), so that OpenBao knows "
            "whom the JWT is for",
        )
    if answer.status == 400 and _NO_ROLE.search(said):
        return AccessRefused(
            f"{where} knows no such role: {path}",
            remedy="correct the scope's path",
        )
    return _engine_trouble(answer, where, path)


def lease_error(
    answer: Answer, where: str, lease_id: str, deed: str = "renewal"
) -> IssuerError:
    """The error for a lease that was not renewed or not revoked.

    Args:
        deed: ``renewal`` or ``revocation``.
    """
    unavailable = trouble(answer, where)
    if unavailable is not None:
        return unavailable
    said = own_words(answer) or ""
    if answer.status == 400 and any(phrase in said for phrase in _CAPPED):
        return GrantGone(f"{where} no longer renews lease {lease_id}")
    if any(phrase in said for phrase in _ENGINE):
        return _engine_trouble(answer, where, f"the {deed} of {lease_id}")
    if answer.status == 400 and any(phrase in said for phrase in _GONE):
        return GrantGone(f"{where} no longer knows lease {lease_id}")
    if answer.status == 403:
        return AccessRefused(
            f"{where} does not allow the {deed} of {lease_id} (403)",
            remedy="ask for a policy that allows update on sys/leases/renew",
        )
    return _engine_trouble(answer, where, f"the {deed} of {lease_id}")


def token_error(answer: Answer, where: str) -> IssuerError:
    """The error for a login's token that was not renewed (``renew-self``)."""
    unavailable = trouble(answer, where)
    if unavailable is not None:
        return unavailable
    if refused_by_policy(answer):
        return AccessRefused(
            f"{where} does not let this login renew itself (403)",
            remedy="give the identity's tokens the policy default, or update on "
            "auth/token/renew-self",
        )
    if answer.status in {400, 403}:
        # The token is dead, of a kind that does not renew, or at its ceiling: only a
        # new login helps.
        return GrantGone(f"{where} no longer renews this login")
    return _engine_trouble(answer, where, "the renewal of this login")


def _engine_trouble(answer: Answer, where: str, what: str) -> IssuerUnavailable:
    if answer.status == 400:
        # An engine whose own back end (a database) is down answers 400 as well: worth
        # another try, at the pace of the back-off.
        return IssuerUnavailable(
            f"{where} could not serve {what} (400)",
            retry_after=answer.retry_after,
            remedy="look at the server's log: the engine behind it may be down",
        )
    return BadAnswer(
        f"{where} answers {what} with status {answer.status}: expected 200, or a "
        "refusal that says why",
        remedy="check the scope's path, and the gateway or proxy in between",
    )
