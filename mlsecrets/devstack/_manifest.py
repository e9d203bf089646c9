"""The ready `mlsecrets.toml` that a stack writes for its users."""

from __future__ import annotations

import json
from collections.abc import Mapping

from . import _iam


def text(addresses: Mapping[str, str], audience: str, ttl: int) -> str:
    """The manifest.

    Args:
        addresses: of ``openbao``, ``store``, ``revoker`` and ``mlflow``.
        audience: the name that the revoker wants proofs to carry.
        ttl: of every scope, in seconds.
    """
    role = {name: _quote(_iam.role_arn(name)) for name in (_iam.READER, _iam.WRITER)}
    at = {name: _quote(address) for name, address in addresses.items()}
    return f"""\
# Written by the mlsecrets development stack; it goes when that ends.
api = "mlsecrets/v1"
name = "digits"
version = "1.0.0"

[identities.job]
kind = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"

[issuers.bao]
kind = "openbao"
address = {at["openbao"]}
identity = "job"

[issuers.store]
kind = "sts"
address = {at["store"]}
web_identity = "bao:identity/oidc/token/s3"
revoker = "store"

[revokers.store]
address = {at["revoker"]}
audience = {_quote(audience)}

[scopes.train-data]
owner = "data-platform@example.org"
version = "1.0.0"
issuer = "store"
role = {role[_iam.READER]}
ttl = "{ttl}s"
max_ttl = "1h"
access = ["read s3://{_iam.DATASETS}/digits/*"]

[scopes.checkpoints]
owner = "training@example.org"
version = "1.0.0"
issuer = "store"
role = {role[_iam.WRITER]}
ttl = "{ttl}s"
max_ttl = "1h"
access = ["write s3://{_iam.CHECKPOINTS}/run-*/*"]

[scopes.mlflow]
owner = "tracking@example.org"
version = "1.0.0"
issuer = "bao"
path = "identity/oidc/token/mlflow"
ttl = "{ttl}s"
max_ttl = "1h"
access = [{_quote(f"use {addresses['mlflow']}")}]
"""


def _quote(this: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(this)
