"""What tests of the real OpenBao share: scopes, identities, a dynamic engine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlsecrets import _current
from mlsecrets._live import LiveGrant
from mlsecrets.devstack import DevStack
from mlsecrets.devstack.user_registry import UserRegistry

DYNAMIC = """
[scopes.queue]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "queue/creds/worker"
ttl = "8s"
max_ttl = "20s"
access = []
"""
KV = """
[scopes.hub]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "secret/data/hf"
fields = { token = "hf_token" }
ttl = "60s"
max_ttl = "60s"
access = ["use https://hub.example.org"]
"""


def login() -> LiveGrant:
    """The process's own token."""
    stack = _current.session()._stack
    assert stack is not None
    return stack.logins["bao"]


def wait_until_empty(registry: UserRegistry) -> None:
    """OpenBao ends a token's leases in the background: soon, not at once."""
    deadline = time.monotonic() + 10
    while registry.users and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert registry.users == set()


def with_scope(path: Path, text: str) -> Path:
    path.write_text(path.read_text() + text)
    return path


def with_identity(path: Path, lines: str) -> Path:
    """A manifest with another identity."""
    head, _, rest = path.read_text().partition("[identities.job]")
    _, _, tail = rest.partition("[issuers.bao]")
    path.write_text(f"{head}[identities.job]\n{lines}\n[issuers.bao]{tail}")
    return path


@contextmanager
def queue(stack: DevStack) -> Iterator[UserRegistry]:
    """A dynamic engine whose leases live 8 s, renewable up to 20 s."""
    admin = stack.openbao.admin()
    with UserRegistry() as server:
        server.mount(admin, ttl=8, max_ttl=20, at="queue")
        # May read them, but not revoke them by name.
        policy = {"path": {"queue/creds/worker": {"capabilities": ["read"]}}}
        for path, body in (
            ("sys/policies/acl/queue", {"policy": json.dumps(policy)}),
            ("auth/approle/role/job", {"token_policies": "default,job,queue"}),
        ):
            assert admin.request("POST", path, body).status_code < 300
        yield server
        assert admin.request("DELETE", "sys/mounts/queue").ok
