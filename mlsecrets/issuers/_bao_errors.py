"""What OpenBao's and Vault's refusals mean.

The status code alone does not say: a 400 can be a lease that is gone, a database that
is down for a minute, or an expired JWT; a 403 can be a dead token or a policy. The
phrases below are matched, never quoted: an answer's text is not ours to show.
"""

from __future__ import annotations

import json

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
from ._http import Answer, retry_after

_GONE = ("lease not found", "invalid lease", "lease expired")
_JWT_EXPIRED = ("token is expired", "exp) claim", "expired")


def phrases(answer: Answer) -> str:
    """The ``errors`` of an answer as one lower-case text, for matching only."""
    try:
        errors = json.loads(answer.body).get("errors", [])
    except (ValueError, AttributeError):
        return ""
    return " ".join(str(error) for error in errors).lower()


def server_trouble(answer: Answer, where: str) -> IssuerError | None:
    """The error for an answer that says "not now", None if it says anything else.

    Codes as in the vendor's "HTTP status codes" page: 412 a standby that lags, 429
    throttled, 472/473 standby, 5xx broken or sealed.
    """
    if answer.status == 429:
        return IssuerThrottled(
            f"{where} asks to be called later (429)",
            retry_after=retry_after(answer),
            remedy="raise the rate-limit quota, or lengthen the scopes' ttl",
        )
    if answer.status == 503 and "sealed" in phrases(answer):
        return IssuerSealed(
            f"{where} is sealed",
            remedy="an operator has to unseal it (bao operator unseal)",
        )
    if answer.status in {412, 472, 473} or answer.status >= 500:
        return IssuerUnavailable(
            f"{where} is not able to answer now ({answer.status})",
            remedy="look at the server's log; the request is repeated by itself",
        )
    return None


def login_error(answer: Answer, where: str, kind: str, path: str) -> IssuerError:
    """The error for a refused login."""
    trouble = server_trouble(answer, where)
    if trouble is not None:
        return trouble
    said = phrases(answer)
    if "jwt" in kind and any(phrase in said for phrase in _JWT_EXPIRED):
        return IdentityExpired(
            f"{where} refuses the {kind} identity: its JWT has expired",
            remedy="have the platform write a fresh JWT to the identity's file",
        )
    if "role" in said and ("not found" in said or "could not be found" in said):
        return LoginRefused(
            f"{where} refuses the {kind} identity: it knows no such role at {path}",
            remedy="correct the identity's role or mount in the manifest",
        )
    if "invalid role or secret" in said:
        # OpenBao does not say which, so that nobody learns which role ids exist.
        return LoginRefused(
            f"{where} refuses the {kind} identity at {path}: wrong role or secret id",
            remedy="check both files: the secret id may have been rotated or used up",
        )
    return LoginRefused(
        f"{where} refuses the {kind} identity at {path} ({answer.status})",
        remedy="check the identity's files and that the auth method is mounted there",
    )


def path_error(answer: Answer, where: str, path: str) -> IssuerError:
    """The error for a refused read of a path."""
    trouble = server_trouble(answer, where)
    if trouble is not None:
        return trouble
    said = phrases(answer)
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
    if "no entity" in said:
        return AccessRefused(
            f"{where} cannot issue {path}: the login has no entity",
            remedy="log in by an auth method (not a bare token), so that OpenBao knows "
            "whom the JWT is for",
        )
    if answer.status == 400 and ("unknown role" in said or "not found" in said):
        return AccessRefused(
            f"{where} knows no such role: {path}",
            remedy="correct the scope's path",
        )
    if answer.status == 400:
        # An engine whose own back end (a database) is down answers 400 as well: worth
        # another try, at the pace of the back-off.
        return IssuerUnavailable(
            f"{where} could not serve {path} (400)",
            remedy="look at the server's log: the engine behind the path may be down",
        )
    return BadAnswer(f"{where} answers {path} with status {answer.status}")


def renewal_error(answer: Answer, where: str, lease_id: str) -> IssuerError:
    """The error for a refused renewal: gone for good, or only now."""
    if answer.status == 400 and any(text in phrases(answer) for text in _GONE):
        return GrantGone(f"{where} no longer knows lease {lease_id}")
    return path_error(answer, where, f"the renewal of {lease_id}")
