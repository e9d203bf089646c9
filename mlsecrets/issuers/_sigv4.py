"""Signing a request with AWS Signature Version 4, with the key in memory we can wipe.

After "Create a signed AWS API request" and "Elements of an AWS API request signature"
in the AWS Identity and Access Management User Guide. botocore signs the same, but takes
the secret key as a `str` that nobody can wipe; equality with it is tested.

Not for S3 itself, whose paths are encoded once and not normalised: botocore does that.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256
from posixpath import normpath
from urllib.parse import quote, urlsplit

from .._origin import origin_of
from ..memory import wipe_own_bytes

_ALGORITHM = "AWS4-HMAC-SHA256"
# Proxies and tracers may change these on the way. (The list of botocore.auth.)
_UNSIGNED = frozenset(
    [
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    ]
)


def sign(  # noqa: PLR0913  # a request has that many parts
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    access_key: str,
    secret_key: memoryview,
    session_token: str | None,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """The headers to send, names in lower case: those given, and the signature.

    Adds ``host``, ``x-amz-date``, ``x-amz-security-token`` where there is a token, and
    ``authorization``; whatever was given under these names is replaced.

    Args:
        method: GET, POST, ...
        url: absolute; path and query percent-encoded as they will be sent.
        headers: to send and to sign.
        body: exactly what will be sent.
        access_key: the access key id, which is no secret.
        secret_key: the secret key's bytes, in a buffer that the caller wipes.
        session_token: of temporary credentials.
        region: such as us-east-1.
        service: the signing name, such as sts; not s3.
        now: an aware datetime.

    Raises:
        ValueError: a URL, time or service that cannot be signed.
    """
    if service == "s3":
        raise ValueError("S3 requests are signed by other rules; use botocore")
    if now.tzinfo is None:
        raise ValueError("expected an aware datetime, got a naive one")
    stamp = now.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): value for name, value in headers.items()}
    # RFC 9110 §7.2: without the port where it is the scheme's own.
    sent["host"] = str(origin_of(url)).partition("://")[2]
    sent["x-amz-date"] = stamp
    if session_token:
        sent["x-amz-security-token"] = session_token
    names = sorted(sent.keys() - _UNSIGNED)
    signed_names = ";".join(names)
    parts = urlsplit(url)
    canonical = "\n".join(
        (
            method.upper(),
            _canonical_path(parts.path),
            "&".join(_canonical_query(parts.query)),
            *(f"{name}:{' '.join(sent[name].split())}" for name in names),
            "",
            signed_names,
            sha256(body).hexdigest(),
        )
    )
    scope = (stamp[:8], region, service, "aws4_request")
    to_sign = "\n".join(
        (_ALGORITHM, stamp, "/".join(scope), sha256(canonical.encode()).hexdigest())
    )
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={access_key}/{'/'.join(scope)}, "
        f"SignedHeaders={signed_names}, Signature={_mac(secret_key, scope, to_sign)}"
    )
    return sent


def _canonical_path(path: str) -> str:
    """Encoded once more than it is sent, dot segments and double slashes removed."""
    if not path:
        return "/"
    plain = normpath("/" + path.lstrip("/"))
    if path.endswith("/") and plain != "/":
        plain += "/"
    return quote(plain, safe="/~")


def _canonical_query(query: str) -> list[str]:
    pairs = (pair.partition("=") for pair in query.split("&") if query)
    return [f"{name}={value}" for name, _, value in sorted(pairs)]


def _mac(secret_key: memoryview, scope: tuple[str, ...], to_sign: str) -> str:
    """The signature; every key derived on the way is zeroed."""
    key = bytearray(b"AWS4") + secret_key
    try:
        for part in scope:
            derived = hmac.digest(key, part.encode(), "sha256")
            key[:] = bytes(len(key))
            key = bytearray(derived)
            wipe_own_bytes(derived)
        return hmac.digest(key, to_sign.encode(), "sha256").hex()
    finally:
        key[:] = bytes(len(key))
