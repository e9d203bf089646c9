"""A session can end itself at the store, and only itself. Real store, real STS."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
import requests

from mlsecrets.devstack import DevStack
from mlsecrets.devstack._revoker_http import RevokerServer
from mlsecrets.devstack._revoker_proof import BadProof, Unavailable
from mlsecrets.devstack._s3_admin import S3Admin
from mlsecrets.devstack.revoker import Revoker

OBJECT = "datasets/digits/one"


def policies(stack: DevStack) -> list[str]:
    """The bucket policies that exist, as text."""
    admin = S3Admin(stack.store.address, stack.store.admin_key())
    found = [admin.policy(bucket) for bucket in stack.store.buckets]
    admin.close()
    return [json.dumps(policy) for policy in found if policy is not None]


def config(stack: DevStack, **changes: Any) -> dict[str, Any]:
    """For a revoker of our own, on the same store."""
    return {
        "sts": stack.store.address,
        "endpoint": stack.store.address,
        "audience": "devstack",
        "admin_key_file": str(stack.store.admin_key_file),
        "buckets": list(stack.store.buckets),
        "session_seconds": stack.ttl,
        **changes,
    }


def test_a_session_ends_itself_at_once(seeded: DevStack, job: Any) -> None:
    """The next read is refused, long before the session's TTL."""
    session = job.session("data-reader", "ends-itself")
    assert job.s3(session, "GET", OBJECT).status_code == 200
    asked = time.time()
    answer = job.end(job.proof(session))
    assert answer.status_code == 200
    arn = "arn:aws:sts::assumed-role/data-reader/ends-itself"
    until = answer.json()["until"]
    assert answer.json() == {"revoked": True, "arn": arn, "until": until}
    assert asked + seeded.ttl <= until <= time.time() + seeded.ttl + 1
    assert job.s3(session, "GET", OBJECT).status_code == 403


def test_other_sessions_stay_alive(seeded: DevStack, job: Any) -> None:
    """Also one whose name begins alike, and one of another role."""
    ended = job.session("data-reader", "shared")
    others = [job.session("data-reader", "shared-2"), job.session("data-reader", "own")]
    writer = job.session("checkpoint-writer", "shared")
    assert job.end(job.proof(ended)).status_code == 200
    assert job.s3(ended, "GET", OBJECT).status_code == 403
    assert [job.s3(other, "GET", OBJECT).status_code for other in others] == [200, 200]
    assert job.s3(writer, "PUT", "checkpoints/run-2/a", b"w").status_code == 200


def test_a_session_is_ended_on_every_bucket(seeded: DevStack, job: Any) -> None:
    """Listing and writing included."""
    writer = job.session("checkpoint-writer", "everywhere")
    assert job.end(job.proof(writer)).status_code == 200
    assert job.s3(writer, "PUT", "checkpoints/run-3/a", b"w").status_code == 403
    assert job.s3(writer, "GET", "checkpoints?list-type=2").status_code == 403
    assert len(policies(seeded)) == len(seeded.store.buckets)


def test_an_ended_session_cannot_undo_it(seeded: DevStack, job: Any) -> None:
    """The policy is not its to remove."""
    session = job.session("checkpoint-writer", "undoes-it")
    assert job.end(job.proof(session)).status_code == 200
    assert job.s3(session, "DELETE", "checkpoints?policy").status_code == 403
    assert job.s3(session, "GET", "checkpoints?list-type=2").status_code == 403


def test_ending_twice_is_no_error(seeded: DevStack, job: Any) -> None:
    """A job that lost the first answer may ask again."""
    session = job.session("data-reader", "twice")
    answers = [job.end(job.proof(session)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_many_sessions_end_at_once(seeded: DevStack, job: Any) -> None:
    """The read-modify-write of the policies loses none of them."""
    from concurrent.futures import ThreadPoolExecutor

    token = job.login()
    jwt = job.jwt(token=token)
    sessions = [
        job.session("data-reader", f"crowd-{n}", WebIdentityToken=jwt)
        for n in range(12)
    ]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda item: job.end(job.proof(item)), sessions))
    assert {answer.status_code for answer in answers} == {200}
    assert {job.s3(item, "GET", OBJECT).status_code for item in sessions} == {403}


@pytest.mark.parametrize("audience", ["somebody-else", None])
def test_a_proof_for_another_revoker_ends_nothing(
    audience: str | None, seeded: DevStack, job: Any
) -> None:
    """Though its signature is genuine."""
    session = job.session("data-reader", "not-for-us")
    assert job.end(job.proof(session, audience)).status_code == 403
    assert job.s3(session, "GET", OBJECT).status_code == 200


def test_a_proof_for_another_action_ends_nothing(seeded: DevStack, job: Any) -> None:
    """Only GetCallerIdentity is a proof; nothing else is passed on."""
    session = job.session("data-reader", "other-action")
    proof = job.proof(session, body="Action=GetSessionToken&Version=2011-06-15")
    assert job.end(proof).status_code == 400
    assert job.s3(session, "GET", OBJECT).status_code == 200


@pytest.mark.parametrize(
    "header", ["Authorization", "X-Amz-Security-Token", "X-Amz-Date"]
)
def test_a_tampered_proof_is_refused_by_the_store(
    header: str, seeded: DevStack, job: Any
) -> None:
    """The STS says so, not we: another's token or time does not fit the signature."""
    session = job.session("data-reader", "tampered")
    other = job.session("data-reader", "another")
    proof, foreign = job.proof(session), job.proof(other)
    changed = {
        "Authorization": proof["headers"]["Authorization"][:-8] + "0" * 8,
        "X-Amz-Security-Token": foreign["headers"]["X-Amz-Security-Token"],
        "X-Amz-Date": "20200101T000000Z",
    }
    proof["headers"][header] = changed[header]
    answer = job.end(proof)
    assert (answer.status_code, answer.json()) == (403, {"error": "proof refused"})
    for alive in (session, other):
        assert job.s3(alive, "GET", OBJECT).status_code == 200


def test_a_key_that_is_no_session_ends_nothing(seeded: DevStack, job: Any) -> None:
    """Not even the administrator's: there is no session to end."""
    key = seeded.store.admin_key()
    made_up = type(job.session("data-reader", "form"))
    session = made_up(key.access_key, key.secret_key, "none")
    assert job.end(job.proof(session)).status_code == 403


def test_a_session_name_cannot_be_a_pattern(job: Any) -> None:
    """A session called * would end all of its role; the store makes none."""
    for name in ("**", "shared*", "shared-?"):
        assert job.assume("data-reader", name).status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"x" * (16 * 1024 + 1)],
    ids=["empty", "cut", "list", "big"],
)
def test_what_is_no_proof_is_a_bad_request(body: bytes, stack: DevStack) -> None:
    """With an answer in JSON, whatever came."""
    url = f"{stack.revoker.address}/v1/end-session"
    answer = requests.post(url, data=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_other_paths_are_not_found(stack: DevStack) -> None:
    """It does one thing."""
    for method in ("GET", "POST"):
        url = f"{stack.revoker.address}/v1/other"
        assert requests.request(method, url, timeout=10).status_code == 404


def test_denials_are_pruned_when_the_session_has_ended(
    seeded: DevStack, job: Any
) -> None:
    """By a revoker whose clock we move; the store's policies are the real ones."""
    now = time.time()
    ahead = [0.0]
    revoker = Revoker(config(seeded), wall=lambda: now + ahead[0])
    session = job.session("data-reader", "pruned")
    done = revoker.end_session(json.dumps(job.proof(session)).encode())
    assert all("/pruned" in policy for policy in policies(seeded))
    ahead[0] = done["until"] - now - 1
    revoker.prune()
    assert all("/pruned" in policy for policy in policies(seeded))
    ahead[0] = 10 * seeded.ttl  # later than all that other tests have ended
    revoker.prune()
    assert policies(seeded) == []
    # The session, which in truth lives on, is free again: the denial was the policy.
    assert job.s3(session, "GET", OBJECT).status_code == 200
    revoker._store.close()


def test_a_revoker_with_nothing_to_prune_asks_the_store_nothing(
    seeded: DevStack,
) -> None:
    """So that the store's counters show the jobs' requests."""
    revoker = Revoker(config(seeded), wall=lambda: time.time() + 1e9)
    revoker.prune()
    before = seeded.store.metrics()
    revoker.prune()
    assert seeded.store.metrics() == before
    revoker._store.close()


def test_the_server_prunes_by_itself(seeded: DevStack, job: Any) -> None:
    """From time to time, between requests."""
    session = job.session("data-reader", "by-itself")
    late = [0.0]
    revoker = Revoker(config(seeded), wall=lambda: time.time() + late[0])
    with RevokerServer(0, revoker, every=0.0) as server:
        revoker.end_session(json.dumps(job.proof(session)).encode())
        server.service_actions()
        assert policies(seeded)
        late[0] = 10 * seeded.ttl
        server.service_actions()
        assert policies(seeded) == []
    revoker._store.close()


def test_without_its_store_the_revoker_says_so(
    seeded: DevStack, job: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Unavailable is not refused: the job may ask again."""
    proof = job.proof(job.session("data-reader", "unavailable"))
    host = seeded.store.address.split("/")[2]
    nobody = "http://127.0.0.1:9"
    raw = json.dumps(proof).encode()
    no_buckets = Revoker(config(seeded, endpoint=nobody))
    with pytest.raises(Unavailable):
        no_buckets.end_session(raw)
    no_sts = Revoker(config(seeded, sts=nobody))
    no_sts._host = host
    with pytest.raises(Unavailable):
        no_sts.end_session(raw)
    with RevokerServer(0, no_buckets, every=0.0) as server:
        server.service_actions()
    assert "cannot prune now" in capfd.readouterr().err
    for revoker in (no_buckets, no_sts):
        revoker._store.close()


def test_an_arn_that_could_match_others_is_refused(
    seeded: DevStack, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a store ever allow such names, the revoker does not."""
    from mlsecrets.devstack import revoker as module

    star = "arn:aws:sts::assumed-role/data-reader/*"
    monkeypatch.setattr(module, "_arn", lambda content: star)
    revoker = Revoker(config(seeded))
    proof = job.proof(job.session("data-reader", "star"))
    with pytest.raises(BadProof, match="proof refused"):
        revoker.end_session(json.dumps(proof).encode())
    revoker._store.close()


def test_a_store_that_is_gone_is_a_bad_gateway(job: Any) -> None:
    """Over HTTP too: 502, which means try again."""
    with DevStack(ttl=30) as brief:
        own = type(job)(brief)
        proof = own.proof(own.session("data-reader", "orphan"))
        os.kill(brief.processes["seaweedfs"], signal.SIGKILL)
        answer = own.end(proof)
    assert answer.status_code == 502
    assert answer.json() == {"error": "store unavailable"}


def test_the_log_names_sessions_and_no_secret(stack: DevStack, job: Any) -> None:
    """When who ended, and no header."""
    session = job.session("data-reader", "logged")
    proof = job.proof(session)
    assert job.end(proof).status_code == 200
    log = (stack.logs / "revoker.log").read_text()
    assert "ended arn:aws:sts::assumed-role/data-reader/logged" in log
    assert session.token not in log
    assert proof["headers"]["Authorization"].rpartition("=")[2] not in log
