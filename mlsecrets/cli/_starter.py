"""The manifest that `mlsecrets init` writes: every table once, each key explained."""

from __future__ import annotations

import json

_TEXT = """\
# What this project's jobs may lease, from where and for how long.
# It holds no secret: commit it, and have changes to it reviewed.
api = "mlsecrets/v1"
name = "my-project"
version = "0.1.0"           # of this file; raise it with every change

# ---- Who a job is -------------------------------------------------------------------
# The platform puts two files where the job runs; paths are relative to this file.
[identities.job]
kind = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"

# Instead, where the platform writes a JWT (Kubernetes, SPIFFE, a CI system):
# [identities.job]
# kind = "jwt-file"
# path = "/var/run/secrets/tokens/openbao"
# role = "training"

# ---- Who issues ---------------------------------------------------------------------
[issuers.bao]
kind = "openbao"            # or "vault"
address = @ADDRESS@
identity = "job"
# namespace = "ml"
# ca_file = "ca.pem"        # if the system does not know who signed its certificate

# An S3-compatible store with an STS. It trusts the JWTs that OpenBao signs.
[issuers.store]
kind = "sts"
address = "https://sts.example.org"
endpoint = "https://s3.example.org"
region = "us-east-1"
web_identity = "bao:identity/oidc/token/s3"
# revoker = "store"         # without one, sessions end at their TTL and not before

# What ends a session of the store at a job's exit, if your platform runs one.
# [revokers.store]
# address = "https://revoker.example.org"
# audience = "my-platform"

# ---- What may be leased -------------------------------------------------------------
# In Python: `with lease("train-data", "mlflow") as creds: ...`
[scopes.train-data]
owner = "data-platform@example.org"     # whom to ask for more
version = "1.0.0"
issuer = "store"
role = "arn:aws:iam::123456789012:role/data-reader"
ttl = "15m"
max_ttl = "1h"
access = ["read s3://datasets/my-project/*"]

[scopes.checkpoints]
owner = "training@example.org"
version = "1.0.0"
issuer = "store"
role = "arn:aws:iam::123456789012:role/checkpoint-writer"
ttl = "15m"
max_ttl = "1h"
access = ["write s3://checkpoints/my-project/*"]    # writing includes reading

# A token to log runs with; it is sent to this address and to no other.
[scopes.mlflow]
owner = "tracking@example.org"
version = "1.0.0"
issuer = "bao"
path = "identity/oidc/token/mlflow"     # any path of OpenBao's, below /v1/
ttl = "15m"
max_ttl = "1h"
access = ["use https://mlflow.example.org"]
"""


def manifest(openbao: str) -> str:
    """The text of the file.

    Args:
        openbao: the address of the server.
    """
    # JSON's string escapes are a part of TOML's.
    return _TEXT.replace("@ADDRESS@", json.dumps(openbao))
