"""Reading the XML of an S3-compatible STS."""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree

from ..credentials import AWSCredentials
from ..errors import (
    AccessRefused,
    BadAnswer,
    IdentityExpired,
    IssuerError,
    IssuerThrottled,
    IssuerUnavailable,
)
from ._http import Answer, retry_after


def parse(answer: Answer, where: str) -> dict[str, str]:
    """Every leaf element's text by its name without namespace; first one wins.

    Raises:
        BadAnswer: it is not XML, or declares entities.
    """
    # Entities are how XML parsers are attacked; no STS answer has a DOCTYPE.
    if b"<!DOCTYPE" in answer.body or b"<!ENTITY" in answer.body:
        raise BadAnswer(f"{where} answers with an XML document type, which is refused")
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314  entities refused above
    except ElementTree.ParseError:
        raise BadAnswer(
            f"{where} answers with something that is not XML",
            remedy="check that its address is the STS endpoint",
        ) from None
    leaves: dict[str, str] = {}
    for element in root.iter():
        if len(element) == 0 and element.text:
            leaves.setdefault(element.tag.rpartition("}")[2], element.text)
    return leaves


def expiration(leaves: dict[str, str], where: str) -> float:
    """Epoch seconds at which the session ends.

    Raises:
        BadAnswer: absent, unreadable, or without a time zone: no guess is made.
    """
    text = leaves.get("Expiration", "")
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise BadAnswer(f"{where} answers without a readable Expiration")
    return instant.timestamp()


def session_credentials(leaves: dict[str, str], where: str) -> AWSCredentials:
    """The three values of a session.

    Raises:
        BadAnswer: one is missing.
    """
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    missing = [name for name in names if name not in leaves]
    if missing:
        raise BadAnswer(f"{where} answers without {', '.join(missing)}")
    return AWSCredentials.of(*(leaves[name] for name in names))


def refusal(answer: Answer, where: str, role: str) -> IssuerError:
    """The error for a refused AssumeRoleWithWebIdentity.

    Codes: AWS STS API Reference, "AssumeRoleWithWebIdentity", Errors; and "Common
    Errors" for throttling.
    """
    try:
        code = parse(answer, where).get("Code", "")
    except BadAnswer:
        code = ""
    if answer.status == 429 or code in {
        "Throttling",
        "ThrottlingException",
        "SlowDown",
    }:
        return IssuerThrottled(
            f"{where} asks to be called later", retry_after=retry_after(answer)
        )
    if answer.status >= 500:
        return IssuerUnavailable(
            f"{where} is not able to answer now ({answer.status})",
            remedy="look at the store's log; the request is repeated by itself",
        )
    if code == "ExpiredTokenException":
        return IdentityExpired(
            f"{where} refuses the web identity: its JWT has expired",
            remedy="lengthen the ttl of the JWT's role, or check the clocks of both "
            "servers",
        )
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
        f"{where} does not let this identity assume {role} ({code or answer.status})",
        remedy="check the role's name and its trust policy at the store",
    )
