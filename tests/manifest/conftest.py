"""A whole manifest, kinds to read it with, and a way to write variations of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets.keys import Key
from mlsecrets.manifest import Kinds

WHOLE = """\
api = "mlsecrets/v1"
name = "digits"
version = "1.0.0"

[identities.job]
kind = "approle"
role_id_file = "role-id"
secret_id_file = "/run/secrets/secret-id"

[identities.pod]
kind = "jwt"
path = "token"
role = "trainer"

[issuers.bao]
kind = "openbao"
address = "http://127.0.0.1:8200/"
identity = "job"

[issuers.store]
kind = "sts"
address = "http://127.0.0.1:8333"
endpoint = "https://s3.example.org"
region = "us-east-1"
web_identity = "bao:identity/oidc/token/s3"
revoker = "store"

[revokers.store]
address = "http://127.0.0.1:9000"
audience = "devstack"

[scopes.train-data]
owner = "data-platform@example.org"
version = "1.0.0"
issuer = "store"
role = "arn:aws:iam::role/data-reader"
ttl = "10s"
max_ttl = "1h30m"
access = ["read s3://datasets/digits/*"]

[scopes.mlflow]
owner = "tracking@example.org"
version = "1.0.0-rc.1+build.7"
issuer = "bao"
path = "identity/oidc/token/mlflow"
ttl = "10s"
max_ttl = "1h"
access = ["use http://127.0.0.1:5000"]
credentials = "bearer"
fields = { token = "jwt" }
"""


class Bao:
    """Gives anything, bearer tokens among it."""

    KEYS = {  # noqa: RUF012  # as kinds declare it
        "address": Key("url", required=True, description="where the server answers"),
        "identity": Key("identity", required=True),
        "namespace": Key("string", default="root"),
        "ca_file": Key("file"),
        "retries": Key("integer"),
        "pinned": Key("boolean"),
        "nodes": Key("list", pattern=r"[a-z]+"),
    }
    SCOPE_KEYS = {  # noqa: RUF012
        "path": Key("string", required=True, pattern=r"[^/\s][^\s?#]*"),
        "credentials": Key("string", choices=("bearer", "username-password", "aws")),
        "fields": Key("table"),
    }
    VERBS = frozenset({"use", "read", "write"})


class Store:
    """Gives keys for objects."""

    KEYS = {  # noqa: RUF012
        "address": Key("url", required=True),
        "endpoint": Key("url"),
        "region": Key("string"),
        "web_identity": Key("issuer-path", required=True),
        "revoker": Key("revoker"),
    }
    SCOPE_KEYS = {"role": Key("string", required=True)}  # noqa: RUF012
    VERBS = frozenset({"read", "write"})


class AppRole:
    """Two files."""

    KEYS = {  # noqa: RUF012
        "role_id_file": Key("file", required=True),
        "secret_id_file": Key("file", required=True),
        "mount": Key("string"),
    }


class JWT:
    """One file and a role."""

    KEYS = {  # noqa: RUF012
        "path": Key("file", required=True),
        "role": Key("string", required=True),
    }


@pytest.fixture
def kinds() -> Kinds:
    """Kinds as literal tables, so that these tests know every key."""
    return Kinds(
        issuers={"openbao": Bao, "vault": Bao, "sts": Store},
        identities={"approle": AppRole, "jwt": JWT},
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the whole manifest, with one piece of its text replaced by another."""

    def write_file(old: str = "", new: str = "") -> Path:
        assert old in WHOLE
        path = tmp_path / "mlsecrets.toml"
        path.write_text(WHOLE.replace(old, new, 1) if old else WHOLE + new, "utf-8")
        return path

    return write_file
