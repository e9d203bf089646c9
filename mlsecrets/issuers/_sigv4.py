"""Signing a request with AWS Signature Version 4, with the key in memory we can wipe.

After "Create a signed AWS API request" and "Elements of an AWS API request signature"
in the AWS Identity and Access Management User Guide. botocore signs the same, but takes
the secret key as a `str` that nobody can wipe; equality with it is tested.

Not for S3 itself, whose paths are encoded once and not normalised: botocore does that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256
from posixpath import normpath
from typing import Any
from urllib.parse import quote, urlsplit

from .._origin import origin_of
from .._sigv4_key import signature
from ..memory import Sealed, scrub

#: Says whose temporary credentials a request is signed with.
SESSION_HEADER = "x-amz-security-token"

_ALGORITHM = "AWS4-HMAC-SHA256"
_NO_SPACE = re.compile(rb"[^\s]*")
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
    secret_key: Sealed,
    session_token: Sealed | None,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """The headers to send, names in lower case: those given, and the signature.

    Adds ``host``, ``x-amz-date`` and ``authorization``; whatever was given under these
    names is replaced. Where there is a session token, it is signed as `SESSION_HEADER`,
    which is to be sent besides: it is not in the answer, because it stays where it is.

    Args:
        method: GET, POST, ...
        url: absolute; path and query percent-encoded as they will be sent.
        headers: to send and to sign.
        body: exactly what will be sent.
        access_key: the access key id, which is no secret.
        secret_key: the secret access key.
        session_token: of temporary credentials.
        region: such as us-east-1.
        service: the signing name, such as sts; not s3.
        now: an aware datetime.

    Raises:
        SecretBufferClosed: the key or the token has been wiped.
        ValueError: a URL, time, service or token that cannot be signed.
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
    sent.pop(SESSION_HEADER, None)
    values: dict[str, str | Sealed] = {
        name: " ".join(value.split())
        for name, value in sent.items()
        if name not in _UNSIGNED
    }
    if session_token is not None:
        values[SESSION_HEADER] = session_token
    signed_names = ";".join(sorted(values))
    parts = urlsplit(url)
    canonical: list[str | Sealed] = [
        f"{method.upper()}\n{_canonical_path(parts.path)}\n",
        "&".join(_canonical_query(parts.query)),
    ]
    for name in sorted(values):
        canonical += [f"\n{name}:", values[name]]
    canonical.append(f"\n\n{signed_names}\n{sha256(body).hexdigest()}")
    scope = (stamp[:8], region, service, "aws4_request")
    to_sign = "\n".join((_ALGORITHM, stamp, "/".join(scope), _hash_of(canonical)))
    mac = signature(secret_key, scope, to_sign)
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={access_key}/{'/'.join(scope)}, "
        f"SignedHeaders={signed_names}, Signature={mac}"
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


def _hash_of(canonical: list[str | Sealed]) -> str:
    """Piece by piece, so that a sealed one is never joined to the others."""
    hashed = sha256()
    for piece in canonical:
        if isinstance(piece, Sealed):
            _update(hashed, piece)
        else:
            hashed.update(piece.encode())
    return hashed.hexdigest()


def _update(hashed: Any, secret: Sealed) -> None:
    with secret.reading() as view:
        if _NO_SPACE.fullmatch(view) is None:  # it would be signed in another form
            raise ValueError("expected a session token without white space")
        hashed.update(view)
    scrub()
