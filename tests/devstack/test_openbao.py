"""The real OpenBao is set up by its own configuration, and nobody administers it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from mlsecrets.devstack import DevStack, DevStackError
from mlsecrets.devstack.openbao import OpenBao
from mlsecrets.devstack.user_registry import UserRegistry

Claims = Callable[[str], dict[str, Any]]


def test_the_job_s_jwts_say_who_runs_what(
    stack: DevStack, job: Any, read_claims: Claims
) -> None:
    """Audience, project and run are OpenBao's word, not the job's; they live `ttl`."""
    for role, audience in (("s3", "seaweedfs"), ("mlflow", "mlflow")):
        claims = read_claims(job.jwt(role))
        assert claims["iss"] == stack.openbao.issuer
        assert claims["aud"] == audience
        assert claims["project"] == "digits"
        assert claims["run_id"] == stack.openbao.run_id
        assert claims["exp"] - claims["iat"] == stack.ttl


def test_three_ways_to_log_in(stack: DevStack, job: Any, read_claims: Claims) -> None:
    """A role id with its secret id, a signed JWT, a person's password."""
    password = stack.openbao.ada_password_file.read_text()
    by_jwt = job.bao(
        "POST", "auth/jwt/login", role="job", jwt=stack.openbao.workload_jwt()
    )
    by_password = job.bao("POST", "auth/userpass/login/ada", password=password)
    runs = []
    for answer in (by_jwt, by_password):
        login = answer.json()["auth"]
        assert login["lease_duration"] == 3 * stack.ttl
        assert login["policies"] == ["default", "job"]
        runs.append(read_claims(job.jwt(token=login["client_token"]))["run_id"])
    assert runs == [stack.openbao.run_id, "ada"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"lifetime": -1}, "token is expired"),
        ({"aud": "another"}, "audience"),
        ({"sub": "another"}, "sub"),
        ({"iss": "https://another.example"}, "iss"),
        ({"nbf": int(time.time()) + 600}, "not yet valid"),
    ],
    ids=["expired", "audience", "subject", "issuer", "too early"],
)
def test_a_workload_jwt_must_be_right_in_everything(
    stack: DevStack, job: Any, claims: dict[str, Any], why: str
) -> None:
    """No leeway either: one second past its expiry is past."""
    token = stack.openbao.workload_jwt(**claims)
    answer = job.bao("POST", "auth/jwt/login", role="job", jwt=token)
    assert answer.status_code == 400
    assert why in answer.text


def test_a_job_reads_the_stored_secret(stack: DevStack, job: Any) -> None:
    """KV version 2, at secret/hf."""
    answer = job.bao("GET", "secret/data/hf", job.login())
    stored = answer.json()["data"]["data"]["hf_token"]
    assert stored == (stack.folder / "hf-token").read_text()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "secret/data/hf"),
        ("GET", "sys/auth"),
        ("GET", "identity/oidc/token/other"),
        ("POST", "sys/seal"),
    ],
)
def test_a_job_may_do_nothing_else(job: Any, method: str, path: str) -> None:
    """Its policy names what it needs."""
    assert job.bao(method, path, job.login(), data={}).status_code == 403


def test_a_certificate_s_lease_can_be_revoked_by_the_job(job: Any) -> None:
    """It can be given back, but not renewed: pki leases do not renew."""
    token = job.login()
    leased = job.bao("POST", "pki/issue/worker", token, common_name="worker-1").json()
    lease = leased["lease_id"]
    assert leased["renewable"] is False
    assert "PRIVATE KEY" in leased["data"]["private_key"]
    renewal = job.bao("POST", "sys/leases/renew", token, lease_id=lease, increment=9)
    assert "not renewable" in renewal.text
    ended = job.bao("POST", "sys/leases/revoke", token, lease_id=lease, sync=True)
    assert ended.status_code == 204
    looked_up = job.bao("POST", "sys/leases/lookup", token, lease_id=lease)
    assert "invalid lease" in looked_up.text


def test_a_user_s_lease_renews_up_to_its_maximum(stack: DevStack, job: Any) -> None:
    """The lease is OpenBao's; the registry shows what it made and removed."""
    with UserRegistry() as registry:
        registry.mount(stack.openbao.admin(), ttl=20, max_ttl=30)
        token = job.login()
        leased = job.bao("GET", "rabbitmq/creds/worker", token).json()
        lease = leased["lease_id"]
        assert leased["renewable"] is True
        assert registry.users == {leased["data"]["username"]}
        renewed = job.bao(
            "POST", "sys/leases/renew", token, lease_id=lease, increment=999
        )
        assert 20 < renewed.json()["lease_duration"] <= 30
        ended = job.bao("POST", "sys/leases/revoke", token, lease_id=lease, sync=True)
        assert ended.status_code == 204
        assert not registry.users


def test_a_job_cannot_revoke_what_is_not_a_job_s(stack: DevStack, job: Any) -> None:
    """The right to revoke covers the paths that jobs lease from."""
    answer = job.bao(
        "POST", "sys/leases/revoke", job.login(), lease_id="auth/approle/login/x"
    )
    assert answer.status_code == 403


def test_no_token_is_root(stack: DevStack, job: Any) -> None:
    """The one that set the server up is gone; the only power is the tests' own."""
    job.login()
    admin = stack.openbao.admin()
    accessors = admin.request("LIST", "auth/token/accessors").json()["data"]["keys"]
    for accessor in accessors:
        answer = admin.request(
            "POST", "auth/token/lookup-accessor", {"accessor": accessor}
        )
        if answer.status_code == 403:  # expired since the list was made
            continue
        token = answer.json()["data"]
        assert "root" not in token["policies"]
        assert token["ttl"] > 0
        assert token["path"].startswith("auth/")


def test_nobody_can_make_a_root_token(job: Any) -> None:
    """There are no recovery keys to do it with."""
    answer = job.bao("POST", "sys/generate-root/attempt")
    assert "unsupported operation" in answer.text


def test_without_ops_there_is_no_administrator(tmp_path: Any) -> None:
    """Asking for one is an error that says how tests get it."""
    with DevStack(ttl=1) as bare:
        with pytest.raises(DevStackError, match="no administrator") as caught:
            bare.openbao.admin()
        assert not bare.openbao.ops_password_file.exists()
    assert "ops=True" in (caught.value.remedy or "")


def test_the_audit_log_tells_what_happened_and_no_secret(
    stack: DevStack, job: Any
) -> None:
    """One JSON object a line; values are keyed hashes there."""
    token = job.login()
    log: OpenBao = stack.openbao
    lines = [json.loads(line) for line in log.audit_log.read_text().splitlines()]
    paths = {line["request"]["path"] for line in lines}
    assert {"auth/approle/login", "secret/data/hf"} <= paths
    text = log.audit_log.read_text()
    assert token not in text
    assert log.secret_id_file.read_text() not in text


def test_lifetimes_of_logins_are_settable() -> None:
    """For tests of what happens when a login itself runs out."""
    with DevStack(ttl=1, token_ttl=2, token_max_ttl=3, ops=True) as short:
        role = short.openbao.admin().request("GET", "auth/approle/role/job").json()
    assert role["data"]["token_ttl"] == 2
    assert role["data"]["token_max_ttl"] == 3
