"""What SeaweedFS believes about identities: who may assume which role, to do what.

Two traps of 4.48 (measured): ``Federated`` must be the provider's *name*, and
trust conditions know claims as ``oidc:<claim>``.
"""

from __future__ import annotations

from typing import Any

from ._bao_logins import PROJECT

READER = "data-reader"
WRITER = "checkpoint-writer"
DATASETS = "datasets"
CHECKPOINTS = "checkpoints"
#: A bucket that no role may touch.
OTHER = "other"
BUCKETS = (DATASETS, CHECKPOINTS, OTHER)

_PROVIDER = "openbao"
_VERSION = "2012-10-17"
_READ = ("s3:GetObject",)
_WRITE = (
    *_READ,
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)


def role_arn(role: str) -> str:
    """As jobs name it; SeaweedFS has no account ids."""
    return f"arn:aws:iam::role/{role}"


def configuration(issuer: str, ttl: int, signing_key: str) -> dict[str, Any]:
    """The content of ``-s3.iam.config``.

    Args:
        issuer: whose JWTs count, an OpenBao ``/v1/identity/oidc``.
        ttl: of every session, in seconds. Also the longest: a client that asks for
            900 s, AWS's minimum, then gets `ttl` (measured).
        signing_key: base64 of 32 random bytes.
    """
    provider = {
        "issuer": issuer,
        "clientId": "seaweedfs",
        "jwksUri": f"{issuer}/.well-known/keys",
    }
    return {
        "sts": {
            "tokenDuration": f"{ttl}s",
            "maxSessionLength": f"{ttl}s",
            "issuer": "seaweedfs-sts",
            "signingKey": signing_key,
        },
        "providers": [
            {"name": _PROVIDER, "type": "oidc", "enabled": True, "config": provider}
        ],
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "policies": [
            {"name": READER, "document": _access(DATASETS, _READ)},
            {"name": WRITER, "document": _access(CHECKPOINTS, _WRITE)},
        ],
        "roles": [_role(READER), _role(WRITER)],
    }


def _access(bucket: str, actions: tuple[str, ...]) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{bucket}"
    return _document(
        {"Action": ["s3:GetBucketLocation", "s3:ListBucket"], "Resource": [arn]},
        {"Action": list(actions), "Resource": [f"{arn}/*"]},
    )


def _role(name: str) -> dict[str, Any]:
    trust = {
        "Principal": {"Federated": _PROVIDER},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": {"oidc:project": PROJECT}},
    }
    return {
        "roleName": name,
        "roleArn": role_arn(name),
        "attachedPolicies": [name],
        "trustPolicy": _document(trust),
    }


def _document(*allowed: dict[str, Any]) -> dict[str, Any]:
    statements = [{"Effect": "Allow", **statement} for statement in allowed]
    return {"Version": _VERSION, "Statement": statements}
