"""The real store: what a leased session may do there, and what nobody may."""

from __future__ import annotations

import json
import time
from typing import Any

import psutil
import requests

from mlsecrets.devstack import DevStack
from mlsecrets.devstack._metrics import s3_requests


def under(prefix: str) -> str:
    """A session policy for reading beneath a prefix of the datasets."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject"],
                    "Resource": [f"arn:aws:s3:::datasets/{prefix}/*"],
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket"],
                    "Resource": ["arn:aws:s3:::datasets"],
                    "Condition": {"StringLike": {"s3:prefix": [f"{prefix}/*"]}},
                },
            ],
        }
    )


def test_a_reader_reads_its_bucket_and_writes_nowhere(
    seeded: DevStack, job: Any
) -> None:
    """The role's own limits, without a session policy."""
    session = job.session("data-reader", "reader")
    assert job.s3(session, "GET", "datasets/digits/one").content == b"1"
    assert job.s3(session, "GET", "datasets?list-type=2").status_code == 200
    assert job.s3(session, "PUT", "datasets/digits/one", b"x").status_code == 403
    assert job.s3(session, "GET", "checkpoints/digits/one").status_code == 403
    assert job.s3(session, "GET", "other/digits/one").status_code == 403


def test_a_writer_writes_its_bucket_and_no_other(seeded: DevStack, job: Any) -> None:
    """Checkpoints can be written, read back and removed."""
    session = job.session("checkpoint-writer", "writer")
    assert job.s3(session, "PUT", "checkpoints/run-1/a", b"w").status_code == 200
    assert job.s3(session, "GET", "checkpoints/run-1/a").content == b"w"
    assert job.s3(session, "DELETE", "checkpoints/run-1/a").status_code == 204
    assert job.s3(session, "PUT", "datasets/run-1/a", b"w").status_code == 403
    assert job.s3(session, "GET", "datasets/digits/one").status_code == 403


def test_the_store_enforces_a_prefix(seeded: DevStack, job: Any) -> None:
    """A session policy narrows the role to what the scope says."""
    session = job.session("data-reader", "narrow", Policy=under("digits"))
    statuses = {
        path: job.s3(session, "GET", path).status_code
        for path in (
            "datasets/digits/one",
            "datasets/elsewhere/two",
            "datasets?list-type=2&prefix=digits%2F",
            "datasets?list-type=2&prefix=elsewhere%2F",
            "datasets?list-type=2",
        )
    }
    assert list(statuses.values()) == [200, 403, 200, 403, 403]


def test_a_session_policy_cannot_widen_the_role(seeded: DevStack, job: Any) -> None:
    """It is an intersection."""
    everything = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
        }
    )
    session = job.session("data-reader", "greedy", Policy=everything)
    assert job.s3(session, "GET", "datasets/digits/one").status_code == 200
    assert job.s3(session, "GET", "other/digits/one").status_code == 403


def test_a_jwt_for_somebody_else_buys_no_session(job: Any) -> None:
    """One signed for MLflow is not one for the store."""
    answer = job.assume("data-reader", "wrong", WebIdentityToken=job.jwt("mlflow"))
    assert answer.status_code == 400
    assert "audience" in answer.text


def test_a_jwt_of_another_project_buys_no_session(stack: DevStack, job: Any) -> None:
    """The roles trust OpenBao's word on the project, and only this project."""
    admin = stack.openbao.admin()
    entity = admin.request("GET", "identity/entity/name/ada").json()["data"]["id"]
    path = f"identity/entity/id/{entity}"
    password = stack.openbao.ada_password_file.read_text()
    login = job.bao("POST", "auth/userpass/login/ada", password=password).json()
    token = login["auth"]["client_token"]
    admin.request("POST", path, {"metadata": {"project": "letters", "run_id": "x"}})
    try:
        answer = job.assume("data-reader", "x1", WebIdentityToken=job.jwt(token=token))
    finally:
        metadata = {"project": "digits", "run_id": "ada"}
        admin.request("POST", path, {"metadata": metadata})
    assert answer.status_code == 403


def test_a_tampered_jwt_buys_no_session(job: Any) -> None:
    """The store checks signatures by OpenBao's published keys."""
    head, payload, signature = job.jwt().split(".")
    forged = f"{head}.{payload}.{signature[::-1]}"
    answer = job.assume("data-reader", "forged", WebIdentityToken=forged)
    assert answer.status_code == 400


def test_sessions_end_at_their_ttl_whatever_was_asked_for(job: Any) -> None:
    """AWS's shortest is 900 s; here `ttl` is also the longest, and the store acts."""
    with DevStack(ttl=2) as brief:
        short = type(job)(brief)
        session = short.session("data-reader", "brief", DurationSeconds="900")
        started = time.monotonic()
        assert short.s3(session, "GET", "datasets?list-type=2").status_code == 200
        while short.s3(session, "GET", "datasets?list-type=2").status_code == 200:
            assert time.monotonic() - started < 10
            time.sleep(0.05)
        assert 0.9 < time.monotonic() - started < 4
        refusal = short.s3(session, "GET", "datasets?list-type=2")
        assert (refusal.status_code, "InvalidAccessKeyId" in refusal.text) == (
            403,
            True,
        )


def test_every_listener_is_on_loopback(stack: DevStack) -> None:
    """Whatever the machine's addresses are, nobody outside can connect."""
    for name, pid in stack.processes.items():
        listeners = [
            connection.laddr.ip
            for connection in psutil.Process(pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listeners) <= {"127.0.0.1"}
        assert bool(listeners) == (name != "supervisor")


def test_the_filer_behind_the_store_is_closed(seeded: DevStack) -> None:
    """Its own HTTP port would serve every object past all policies."""
    port = seeded.store._ports["filer"]
    url = f"http://127.0.0.1:{port}/buckets/datasets/digits/one"
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.put(url, data=b"x", timeout=10).status_code == 401


def test_an_unsigned_request_is_refused(seeded: DevStack) -> None:
    """No bucket is public."""
    url = f"{seeded.store.address}/datasets/digits/one"
    assert requests.get(url, timeout=10).status_code == 403


def test_the_store_counts_what_it_served(seeded: DevStack, job: Any) -> None:
    """By type, status and bucket; sessions are counted too, refused ones apart."""
    session = job.session("data-reader", "counted")
    before = seeded.store.metrics()
    job.s3(session, "GET", "datasets/digits/one")
    job.s3(session, "GET", "other/digits/one")
    job.session("data-reader", "counted-2")
    after = seeded.store.metrics()
    change = {key: count - before.get(key, 0) for key, count in after.items()}
    assert change[("GET", "200", "datasets")] == 1
    assert change[("GET", "403", "")] == 1
    assert change[("STS-Fallback", "200", "")] == 1


def test_counters_are_read_from_the_exposition_format() -> None:
    """Comments and other metrics are passed over."""
    text = (
        "# TYPE SeaweedFS_s3_request_total counter\n"
        'SeaweedFS_s3_request_total{bucket="a",code="200",type="GET"} 2\n'
        'SeaweedFS_s3_request_total{bucket="",code="403",type="PUT"} 1e+06\n'
        'SeaweedFS_s3_in_flight_requests{type="GET"} 0\n'
    )
    assert s3_requests(text) == {
        ("GET", "200", "a"): 2,
        ("PUT", "403", ""): 1_000_000,
    }
