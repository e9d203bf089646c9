"""Judging a proof before it is forwarded to the STS: is it for us, and only a proof?

The pattern of Vault's AWS auth method: a session shows who it is by signing a
GetCallerIdentity request that somebody else sends. Signing the revoker's name along
(`x-mlsecrets-revoker`) is what makes it a proof for this revoker alone, as
``X-Vault-AWS-IAM-Server-ID`` does there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The only request that is ever forwarded.
BODY = "Action=GetCallerIdentity&Version=2011-06-15"
AUDIENCE = "x-mlsecrets-revoker"

_REQUIRED = frozenset({"host", "x-amz-date", "x-amz-security-token", AUDIENCE})
_FORWARDED = frozenset({"authorization", "host", "content-type", AUDIENCE})
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^,/\s]+/\d{8}/[^,/\s]+/sts/aws4_request, *"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), *Signature=[0-9a-f]{64}"
)


class BadProof(Exception):
    """It is not forwarded.

    Args:
        status: 400 for what is malformed, 403 for what is not meant for us.
        reason: for the answer; never quotes the request.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Unavailable(Exception):
    """The store does not answer, or not with sense."""


@dataclass(frozen=True)
class Proof:
    """A request to forward, headers and body unchanged; holds a session token."""

    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return "Proof(...)"


def read(raw: bytes, audience: str, host: str) -> Proof:
    """The proof in a request body.

    Args:
        raw: JSON ``{"headers": {...}, "body": "..."}``.
        audience: this revoker's name.
        host: ``host:port`` of this revoker's STS; proofs for others are refused.

    Raises:
        BadProof: it must not be forwarded.
    """
    headers = _headers(raw)
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise BadProof(400, "expected a SigV4 authorization header for sts")
    signed = set(found["signed"].split(";"))
    if not signed >= _REQUIRED or not headers.keys() >= _REQUIRED:
        names = ", ".join(sorted(_REQUIRED))
        raise BadProof(403, f"these headers must be signed: {names}")
    if headers[AUDIENCE] != audience or headers["host"] != host:
        raise BadProof(403, "the proof was made for another revoker or store")
    return Proof({name: headers[name] for name in headers if _forwarded(name)})


def _headers(raw: bytes) -> dict[str, str]:
    try:
        envelope: Any = json.loads(raw)
    except ValueError:
        raise BadProof(400, "expected a JSON object") from None
    if not isinstance(envelope, dict) or envelope.keys() != {"headers", "body"}:
        raise BadProof(400, "expected the keys headers and body")
    if envelope["body"] != BODY:
        raise BadProof(400, f"expected the body {BODY}")
    if not isinstance(envelope["headers"], dict):
        raise BadProof(400, "expected headers as a JSON object")
    headers: dict[str, str] = {}
    for name, value in envelope["headers"].items():
        if not isinstance(value, str) or not value.isprintable():
            raise BadProof(400, "expected header values of printable text")
        if name.lower() in headers:
            raise BadProof(400, "expected every header once")
        headers[name.lower()] = value
    return headers


def _forwarded(name: str) -> bool:
    return name in _FORWARDED or re.fullmatch(r"x-amz-[a-z0-9-]+", name) is not None
