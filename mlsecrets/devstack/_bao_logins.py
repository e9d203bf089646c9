"""How OpenBao is set up: who can log in, and who they then are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._self_init import Request, from_answer, from_file

#: Who the JWTs for ``auth/jwt`` must be from and for.
WORKLOAD_ISSUER = "https://workload.devstack.example"
WORKLOAD_AUDIENCE = "openbao"
WORKLOAD_SUBJECT = "job"
#: The project that every identity here belongs to; the store's roles ask for it.
PROJECT = "digits"
#: The policy of everybody but ops.
POLICY = "job"

_JOB = "auth/approle/role/job"
_OPS_TTL = 3600  # seconds


@dataclass(frozen=True)
class Logins:
    """What the set-up of logins depends on.

    Args:
        secrets: the folder with ``role-id``, ``secret-id`` and ``ada-password``, and
            with ``ops-password`` if `ops`.
        token_ttl: seconds that a login lasts.
        token_max_ttl: seconds up to which it can be renewed.
        run_id: what the job's JWTs say as ``run_id``.
        workload_key: PEM public key of the JWTs that ``auth/jwt`` accepts.
        ops: add a user who may do everything; for tests.
    """

    secrets: Path
    token_ttl: int
    token_max_ttl: int
    run_id: str
    workload_key: str
    ops: bool

    def requests(self) -> list[Request]:
        """Everything, in order."""
        login = {
            "token_policies": [POLICY],
            "token_ttl": self.token_ttl,
            "token_max_ttl": self.token_max_ttl,
        }
        return [
            *_approle(self.secrets, login),
            *_userpass(self.secrets, login),
            *_jwt(self.workload_key, login),
            *(_ops(self.secrets) if self.ops else ()),
            *_entities(self.secrets, self.run_id),
        ]


def _approle(secrets: Path, login: Mapping[str, Any]) -> list[Request]:
    return [
        Request("approle", "sys/auth/approle", {"type": "approle"}),
        Request("job", _JOB, login),
        # Our own values in place of generated ones: no administrator has to read
        # them out afterwards.
        Request(
            "role-id", f"{_JOB}/role-id", {"role_id": from_file(secrets / "role-id")}
        ),
        Request(
            "secret-id",
            f"{_JOB}/custom-secret-id",
            {"secret_id": from_file(secrets / "secret-id")},
        ),
    ]


def _userpass(secrets: Path, login: Mapping[str, Any]) -> list[Request]:
    password = from_file(secrets / "ada-password")
    return [
        Request("userpass", "sys/auth/userpass", {"type": "userpass"}),
        Request("ada", "auth/userpass/users/ada", {"password": password, **login}),
    ]


def _jwt(workload_key: str, login: Mapping[str, Any]) -> list[Request]:
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": [WORKLOAD_AUDIENCE],
        "bound_subject": WORKLOAD_SUBJECT,
        # 0 means "the default", which is minutes; -1 is what turns leeways off
        # (measured on 2.7.2).
        "clock_skew_leeway": -1,
        "expiration_leeway": -1,
        "not_before_leeway": -1,
        **login,
    }
    config = {
        "jwt_validation_pubkeys": [workload_key],
        "bound_issuer": WORKLOAD_ISSUER,
    }
    return [
        Request("jwt", "sys/auth/jwt", {"type": "jwt"}),
        Request("jwt-config", "auth/jwt/config", config),
        Request("jwt-role", "auth/jwt/role/job", role),
    ]


def _ops(secrets: Path) -> list[Request]:
    everything = ["create", "read", "update", "delete", "list", "patch", "sudo"]
    policy = json.dumps({"path": {"*": {"capabilities": everything}}})
    user = {
        "password": from_file(secrets / "ops-password"),
        "token_policies": ["ops"],
        "token_max_ttl": _OPS_TTL,
    }
    return [
        Request("ops-policy", "sys/policies/acl/ops", {"policy": policy}),
        Request("ops", "auth/userpass/users/ops", user),
    ]


def _entities(secrets: Path, run_id: str) -> list[Request]:
    """Who is who, so that JWTs can say which project and run they are for."""
    role_id = from_file(secrets / "role-id")
    return [
        Request("mounts", "sys/auth", operation="read"),
        _entity("job", run_id),
        _alias("job", "approle", role_id),
        _alias("job", "jwt", WORKLOAD_SUBJECT),
        _entity("ada", "ada"),
        _alias("ada", "userpass", "ada"),
    ]


def _entity(name: str, run_id: str) -> Request:
    metadata = {"project": PROJECT, "run_id": run_id}
    return Request(
        f"entity-{name}", "identity/entity", {"name": name, "metadata": metadata}
    )


def _alias(entity: str, mount: str, name: Any) -> Request:
    return Request(
        f"alias-{entity}-{mount}",
        "identity/entity-alias",
        {
            "name": name,
            "canonical_id": from_answer(f"entity-{entity}", "data", "id"),
            "mount_accessor": from_answer("mounts", "data", f"{mount}/", "accessor"),
        },
    )
