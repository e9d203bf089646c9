"""What the real OpenBao's refusals mean: not now, or never."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from mlsecrets import _current, configure, errors, lease
from mlsecrets.devstack import DevStack
from mlsecrets.devstack.user_registry import UserRegistry
from mlsecrets.grant import Ending, Fate
from tests.real.bao_parts import (
    DYNAMIC,
    KV,
    login,
    queue,
    wait_until_empty,
    with_identity,
    with_scope,
)
from tests.real.conftest import Edit


class KeyServer(ThreadingHTTPServer):
    """Publishes the key of the workload's JWTs, unless it is `down`."""

    daemon_threads = True

    def __init__(self, key_file: Path) -> None:
        super().__init__(("127.0.0.1", 0), KeyHandler)
        key = load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
        self.down = True
        self.keys = json.dumps({"keys": [{**public, "alg": "ES256", "use": "sig"}]})


class KeyHandler(BaseHTTPRequestHandler):
    """Answers every path with the keys."""

    server: KeyServer

    def do_GET(self) -> None:
        self.send_response(503 if self.server.down else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.server.keys.encode())

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def key_server(stack: DevStack) -> Iterator[KeyServer]:
    """Where an auth method ``jwks`` of the stack's OpenBao gets its keys from."""
    with KeyServer(stack.openbao.workload_key_file) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        admin = stack.openbao.admin()
        role = {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["openbao"],
            "token_policies": "job",
            "token_ttl": 30,
        }
        for path, body in (
            ("sys/auth/jwks", {"type": "jwt"}),
            # Asked once while it is written, which is why it is up just then.
            (
                "auth/jwks/config",
                {"jwks_url": f"http://127.0.0.1:{server.server_port}"},
            ),
            ("auth/jwks/role/job", role),
        ):
            server.down = not path.endswith("config")
            answer = admin.request("POST", path, body)
            assert answer.status_code < 300, answer.text
        yield server
        assert admin.request("DELETE", "sys/auth/jwks").status_code == 204
        server.shutdown()
        thread.join()


def test_a_server_that_cannot_get_the_keys_refuses_nobody(
    stack: DevStack, edited: Edit, tmp_path: Path, key_server: KeyServer
) -> None:
    """OpenBao answers 400, as to a wrong JWT; a moment later it has the keys."""
    jwt = tmp_path / "jwt"
    jwt.write_text(stack.openbao.workload_jwt())
    identity = f'kind = "jwt-file"\npath = "{jwt}"\nrole = "job"\nmount = "jwks"\n'
    configure(with_identity(with_scope(edited(), KV), identity))
    with pytest.raises(errors.IssuerUnavailable, match="keys") as caught:
        lease("hub").__enter__()
    assert type(caught.value) is errors.IssuerUnavailable
    assert "jwks_url" in (caught.value.remedy or "")
    key_server.down = False
    with lease("hub"):
        assert login().snapshot().terms.lifetime == 30


def test_an_engine_that_is_down_has_not_refused_to_revoke(
    stack: DevStack, edited: Edit
) -> None:
    """400 again; the user is removed once its server is back."""
    scope = DYNAMIC.replace("queue/creds/", "rabbitmq/creds/")
    with UserRegistry() as server:
        server.mount(stack.openbao.admin(), ttl=8, max_ttl=20)
        configure(with_scope(edited(), scope))
        with lease("queue") as creds:
            live = _current.session().held("queue")
            server.down = True
            with pytest.raises(errors.IssuerUnavailable, match="revocation"):
                live.issuer.end(Ending(creds.snapshot().terms), 5.0)
            server.down = False
            ended = live.issuer.end(Ending(creds.snapshot().terms), 5.0)
            assert ended.fate is Fate.REVOKED
        wait_until_empty(server)
        assert stack.openbao.admin().request("DELETE", "sys/mounts/rabbitmq").ok


@pytest.fixture
def registry(stack: DevStack) -> Iterator[UserRegistry]:
    """A dynamic engine whose leases live 8 s, renewable up to 20 s."""
    with queue(stack) as server:
        yield server


@pytest.fixture
def bare(stack: DevStack, tmp_path: Path) -> str:
    """An identity whose tokens lack the policy "default": they may read, no more."""
    admin = stack.openbao.admin()
    role = {"token_policies": "job,queue", "token_no_default_policy": True}
    assert admin.request("POST", "auth/approle/role/bare", role).ok
    role_id = admin.request("GET", "auth/approle/role/bare/role-id")
    secret_id = admin.request("POST", "auth/approle/role/bare/secret-id")
    (tmp_path / "bare-role").write_text(role_id.json()["data"]["role_id"])
    (tmp_path / "bare-secret").write_text(secret_id.json()["data"]["secret_id"])
    return (
        f'kind = "approle"\nrole_id_file = "{tmp_path}/bare-role"\n'
        f'secret_id_file = "{tmp_path}/bare-secret"\n'
    )


def test_a_renewal_that_the_policy_forbids_is_refused(
    stack: DevStack, registry: UserRegistry, edited: Edit, bare: str
) -> None:
    """The lease is not gone, and the login is not made anew for it."""
    configure(with_identity(with_scope(edited(), DYNAMIC), bare))
    with lease("queue") as creds:
        session, accessor = _current.session(), login().lease_id
        live, grant = session.held("queue"), creds.snapshot()
        with pytest.raises(errors.AccessRefused, match="renewal") as caught:
            live.issuer.renew(live.scope, grant, 5.0)
        assert "sys/leases/renew" in (caught.value.remedy or "")
        token = login()
        with pytest.raises(errors.AccessRefused, match="renew itself") as caught:
            token.issuer.renew(token.scope, token.snapshot(), 5.0)
        assert "default" in (caught.value.remedy or "")
        assert login().lease_id == accessor
    # Nor may such a token revoke anything, itself included: the report says so.
    (end,) = creds.report.ended
    assert end.outcome.fate is Fate.ENDS_AT_TTL
    assert "policy" in end.outcome.reason


@pytest.mark.parametrize("path", ["secret/data/nothing", "secret/data/deleted"])
def test_nothing_stored_there(stack: DevStack, edited: Edit, path: str) -> None:
    """Said without a single error, or with the deleted version's metadata."""
    admin = stack.openbao.admin()
    assert admin.request("POST", "secret/data/deleted", {"data": {"a": "b"}}).ok
    assert admin.request("DELETE", "secret/data/deleted").ok
    configure(with_scope(edited(), KV.replace("secret/data/hf", path)))
    with pytest.raises(errors.AccessRefused, match="nothing at"):
        lease("hub").__enter__()


def test_a_path_that_cannot_be_read(stack: DevStack, edited: Edit) -> None:
    """It has to be written: the remedy names the key that does."""
    configure(with_scope(edited(), DYNAMIC.replace("queue/creds/", "pki/issue/")))
    with pytest.raises(errors.AccessRefused, match="405") as caught:
        lease("queue").__enter__()
    assert "parameters" in (caught.value.remedy or "")


def test_a_quota_is_no_refusal(stack: DevStack, edited: Edit) -> None:
    """The rate limit of somebody else's making."""
    admin = stack.openbao.admin()
    quota = {"rate": 0.01, "interval": "60s", "path": "identity/oidc/token/mlflow"}
    assert admin.request("POST", "sys/quotas/rate-limit/test", quota).ok
    try:
        configure(stack.manifest_path)
        with pytest.raises(errors.IssuerThrottled) as caught:  # noqa: PT012
            for _ in range(3):
                with lease("mlflow"):
                    pass
        assert caught.value.retry_after >= 0
    finally:
        assert admin.request("DELETE", "sys/quotas/rate-limit/test").ok


def test_a_wrong_namespace(edited: Edit) -> None:
    """404, and the server's own."""
    path = edited()
    address = '[issuers.bao]\nkind = "openbao"\n'
    assert address in path.read_text()
    path.write_text(
        path.read_text().replace(address, f'{address}namespace = "nowhere"\n')
    )
    configure(path)
    with pytest.raises(errors.LoginRefused):
        lease("mlflow").__enter__()
