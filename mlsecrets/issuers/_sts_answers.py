"""Reading the XML of an S3-compatible STS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from ..credentials import AWSCredentials
from ..errors import (
    AccessRefused,
    BadAnswer,
    IssuerError,
    IssuerThrottled,
    IssuerUnavailable,
)
from ..memory import Sealed
from ._answer import Answer
from ._fields import secret_word, word
from ._sealed_xml import NotXML, read_leaves
from ._words import Words, phrases

#: Texts by the names of their elements, in the answer's memory.
Leaves: TypeAlias = Mapping[str, Sealed]

#: AWS's words for "more slowly" (botocore, ``retries/standard.py``,
#: ThrottledRetryableChecker).
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: ... and for "not now" (STS API Reference, "Common Errors"; botocore, the same file,
#: TransientRetryableChecker).
_TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
    }
)
#: What can be a code, and so be shown.
_CODE = re.compile(rb"[A-Za-z0-9.]{1,64}")
#: What can be an instant (ISO 8601).
_INSTANT = re.compile(rb"[0-9TZ:.+-]{1,40}")
#: The store cannot get the keys that the JWT is checked with. AWS has a code for that
#: ("AssumeRoleWithWebIdentity", Errors) and says so under another as well; SeaweedFS
#: 4.48 says "access denied" (measured). Matched, never quoted.
_NO_KEYS = phrases("fetch jwks", "get public key", "retrieve verification key")


class LateJWT(IssuerUnavailable):
    """The JWT was good when it left, and expired before the STS looked at it."""


def parse(answer: Answer, where: str) -> Leaves:
    """Every leaf element's text by its name without prefix; the first one counts.

    Raises:
        BadAnswer: it is not XML, or declares entities.
    """
    try:
        return read_leaves(answer.body)
    except NotXML:
        raise BadAnswer(
            f"{where} answers with something that is not XML, or not as an STS writes "
            "it",
            remedy="check that its address is the STS endpoint",
        ) from None


def expiration(leaves: Leaves, where: str) -> float:
    """Epoch seconds at which the session ends.

    Raises:
        BadAnswer: absent, unreadable, or without a time zone: no guess is made.
    """
    text = _public(leaves, "Expiration", _INSTANT)
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if instant.tzinfo is not None:
            return instant.timestamp()
    except (ValueError, OverflowError):
        pass
    raise BadAnswer(
        f"{where} answers without a usable Expiration: expected a time with its zone",
        remedy="check that its address is the STS endpoint",
    )


def session_credentials(leaves: Leaves, where: str) -> AWSCredentials:
    """The three values of a session.

    Raises:
        BadAnswer: one is missing, or is none that can be sent.
    """
    return AWSCredentials.of(
        word(leaves, "AccessKeyId", where),
        secret_word(leaves, "SecretAccessKey", where),
        secret_word(leaves, "SessionToken", where),
    )


def refusal(answer: Answer, where: str, role: str) -> IssuerError:
    """The error for a refused AssumeRoleWithWebIdentity.

    Codes: AWS STS API Reference, "AssumeRoleWithWebIdentity", Errors; and "Common
    Errors". An answer without a code is not the store's.
    """
    try:
        leaves = parse(answer, where)
    except BadAnswer:
        leaves = {}
    code = _public(leaves, "Code", _CODE)
    message = Words([leaves["Message"]] if "Message" in leaves else [])
    unavailable = _not_now(answer, where, code, message)
    if unavailable is not None:
        return unavailable
    if code in {"MalformedPolicyDocument", "PackedPolicyTooLarge"}:
        return AccessRefused(
            f"{where} refuses the session policy made from the scope's access ({code})",
            remedy="shorten or correct the scope's access list",
        )
    if code in {"InvalidIdentityToken", "InvalidParameterValue", "IDPRejectedClaim"}:
        return AccessRefused(
            f"{where} does not accept the web identity for {role} ({code})",
            remedy="check that the JWT's audience and issuer are those that the "
            "store's provider is configured with",
        )
    return AccessRefused(
        f"{where} does not let this identity assume {role} ({code})",
        remedy="check the role's name and its trust policy at the store",
    )


def _not_now(
    answer: Answer, where: str, code: str, message: Words
) -> IssuerUnavailable | None:
    if answer.status == 429 or code in _THROTTLED:
        return IssuerThrottled(
            f"{where} asks to be called later ({code or answer.status})",
            retry_after=answer.retry_after,
            remedy="raise the store's rate limit, or lengthen the scopes' ttl",
        )
    if answer.status >= 500 or code in _TRANSIENT:
        return IssuerUnavailable(
            f"{where} is not able to answer now ({code or answer.status})",
            retry_after=answer.retry_after,
            remedy="look at the store's log; the request is repeated by itself",
        )
    if not code:
        return BadAnswer(
            f"{where} answers {answer.status}, but not as an STS does",
            retry_after=answer.retry_after,
            remedy="check its address, and the gateway or proxy in between",
        )
    if code == "IDPCommunicationError" or message.have(_NO_KEYS):
        return IssuerUnavailable(
            f"{where} cannot get the keys to check the web identity with ({code})",
            retry_after=answer.retry_after,
            remedy="check that the store reaches the JWT's issuer",
        )
    if code == "ExpiredTokenException":
        # It was fetched a moment ago: this process was stopped in between, or the
        # network was slow. The next try takes a fresh one.
        return LateJWT(
            f"{where} finds that the JWT expired on its way",
            remedy="nothing if it happens once; else lengthen the ttl of the JWT's "
            "role, or check the clocks of both servers",
        )
    return None


def _public(leaves: Leaves, name: str, shape: re.Pattern[bytes]) -> str:
    """A public text; empty if it has not the shape of one."""
    leaf = leaves.get(name)
    if leaf is None:
        return ""
    with leaf.reading() as view:
        fits = shape.fullmatch(view) is not None
    return leaf.text() if fits else ""
