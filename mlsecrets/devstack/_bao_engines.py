"""How OpenBao is set up: what it issues, and what a job may have of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from ._bao_logins import POLICY
from ._self_init import Request, from_file

# Seconds. A JWT that would outlive its key's verification_ttl is refused with 400.
_KEY_TTL = 3600
# Times 15 ms. On two idle cores none is needed, beside 14 busy loops one in 30 starts.
_KV_PATIENCE = 20
#: What a job may lease, and therefore give back. The second is mounted only by tests
#: (`user_registry`): no built-in engine renews a lease without a server behind it.
_LEASED = ("pki/issue/worker", "rabbitmq/creds/worker")


def requests(secrets: Path, ttl: int) -> list[Request]:
    """Everything, in order.

    Args:
        secrets: the folder with ``hf-token``.
        ttl: of JWTs and certificates, in seconds.
    """
    return [
        Request("kv", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}),
        Request("policy", f"sys/policies/acl/{POLICY}", {"policy": _job_policy()}),
        *_oidc(ttl),
        *_pki(ttl),
        *_stored(secrets),
    ]


def _job_policy() -> str:
    """What a job may do: read its own things, and give back its own leases."""
    read = {"capabilities": ["read"]}
    revoke = {
        "capabilities": ["update"],
        # A lease id is unguessable; the pattern keeps the right to what jobs lease.
        "allowed_parameters": {
            "lease_id": [f"{path}/*" for path in _LEASED],
            "sync": [],
        },
    }
    return json.dumps(
        {
            "path": {
                "identity/oidc/token/s3": read,
                "identity/oidc/token/mlflow": read,
                "secret/data/*": read,
                **{path: {"capabilities": ["read", "update"]} for path in _LEASED},
                "sys/leases/revoke": revoke,
            }
        }
    )


def _oidc(ttl: int) -> list[Request]:
    """One role for each relying party: the audience is fixed by the role."""
    claims = (
        '{"project": {{identity.entity.metadata.project}}, '
        '"run_id": {{identity.entity.metadata.run_id}}}'
    )
    template = base64.b64encode(claims.encode()).decode()
    key = {
        "algorithm": "RS256",
        "rotation_period": 24 * 3600,
        "verification_ttl": max(ttl, _KEY_TTL),
        "allowed_client_ids": ["seaweedfs", "mlflow"],
    }
    role = {"key": "jobs", "ttl": ttl, "template": template}
    path = "identity/oidc"
    return [
        Request("oidc-key", f"{path}/key/jobs", key),
        Request("oidc-s3", f"{path}/role/s3", {**role, "client_id": "seaweedfs"}),
        Request("oidc-mlflow", f"{path}/role/mlflow", {**role, "client_id": "mlflow"}),
    ]


def _stored(secrets: Path) -> list[Request]:
    """A secret in the KV store, which may not have set itself up yet.

    A new mount does so in the background; until then it sleeps 15 ms and refuses
    (``upgradeCheck`` in OpenBao's kv engine). Requests that may fail are how to wait.
    """
    token = {"hf_token": from_file(secrets / "hf-token")}
    return [
        *(
            Request(f"kv-wait-{n}", "secret/config", operation="read", may_fail=True)
            for n in range(_KV_PATIENCE)
        ),
        Request("hf", "secret/data/hf", {"data": token}),
    ]


def _pki(ttl: int) -> list[Request]:
    """Leases that can be revoked, though not renewed, without a database behind."""
    ec = {"key_type": "ec", "key_bits": 256}
    root = {"common_name": "mlsecrets development CA", "ttl": 24 * 3600, **ec}
    role = {
        "allow_any_name": True,
        "enforce_hostnames": False,
        "generate_lease": True,
        "ttl": ttl,
        "max_ttl": ttl,
        **ec,
    }
    return [
        Request("pki", "sys/mounts/pki", {"type": "pki"}),
        Request("pki-root", "pki/root/generate/internal", root),
        Request("pki-role", "pki/roles/worker", role),
    ]
