"""What the revoker forwards to its STS: a proof made for it, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mlsecrets.devstack._revoker_proof import AUDIENCE, BODY, BadProof, read

HOST = "127.0.0.1:8333"


def proof(audience: str | None = "devstack", service: str = "sts") -> dict[str, Any]:
    """A genuine one, by botocore."""
    request = AWSRequest("POST", f"http://{HOST}/", data=BODY)
    request.headers["host"] = HOST
    if audience is not None:
        request.headers[AUDIENCE] = audience
    credentials = Credentials("ASIAEXAMPLE", "secret", "token")
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    return {"headers": dict(request.headers.items()), "body": BODY}


def refusal(content: Any) -> BadProof:
    """Why it is refused."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(BadProof) as caught:
        read(raw, "devstack", HOST)
    return caught.value


def test_a_genuine_proof_is_forwarded_as_it_came() -> None:
    """Header names in lower case, values unchanged."""
    made = proof()
    forwarded = read(json.dumps(made).encode(), "devstack", HOST).headers
    assert forwarded == {name.lower(): value for name, value in made["headers"].items()}


def test_a_proof_shows_nothing_of_itself() -> None:
    """It holds a session token."""
    read_proof = read(json.dumps(proof()).encode(), "devstack", HOST)
    assert repr(read_proof) == "Proof(...)"


def test_other_headers_are_left_out() -> None:
    """The caller does not choose what else our STS sees."""
    made = proof()
    made["headers"] |= {
        "Cookie": "a=b",
        "X-Forwarded-For": "10.0.0.1",
        "X-Amz-Foo": "1",
    }
    forwarded = read(json.dumps(made).encode(), "devstack", HOST).headers
    assert "x-amz-foo" in forwarded
    assert not forwarded.keys() & {"cookie", "x-forwarded-for"}


@pytest.mark.parametrize(
    "audience", ["another", "Devstack", "devstack ", "", None], ids=repr
)
def test_a_proof_for_another_revoker_is_refused(audience: str | None) -> None:
    """Or for none: it could have been made for anything."""
    assert refusal(proof(audience)).status == 403


def test_an_unsigned_audience_is_refused() -> None:
    """Anybody could have added it on the way."""
    made = proof(None)
    made["headers"][AUDIENCE] = "devstack"
    assert refusal(made).status == 403


@pytest.mark.parametrize("name", ["X-Amz-Date", "X-Amz-Security-Token", "host"])
def test_a_signed_header_that_is_missing_is_refused(name: str) -> None:
    """What the signature covers has to be there."""
    made = proof()
    headers = {key.lower(): value for key, value in made["headers"].items()}
    del headers[name.lower()]
    assert refusal({**made, "headers": headers}).status == 403


def test_a_proof_for_another_store_is_refused() -> None:
    """A signature made for another STS says nothing here."""
    made = proof()
    made["headers"]["host"] = "sts.example.org"
    assert refusal(made).status == 403


@pytest.mark.parametrize(
    "body",
    [
        "Action=AssumeRole&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole",
        "Action=GetCallerIdentity",
        "",
        None,
    ],
)
def test_only_get_caller_identity_is_forwarded(body: str | None) -> None:
    """The revoker is not a way to the STS for anything else."""
    assert refusal({**proof(), "body": body}).status == 400


def test_a_signature_for_another_service_is_refused() -> None:
    """A signed S3 request is not a proof."""
    assert refusal(proof(service="s3")).status == 400


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        [],
        {},
        {"headers": {}, "body": BODY},
        {"headers": [], "body": BODY},
        {**proof(), "url": "http://example.org"},
        {"headers": {"a": 1}, "body": BODY},
        {"headers": {**proof()["headers"], "x-amz-a": "1\r\nx: y"}, "body": BODY},
        {"headers": {**proof()["headers"], "HOST": HOST, "Host": HOST}, "body": BODY},
    ],
)
def test_what_is_malformed_is_refused(content: Any) -> None:
    """With 400, and without being quoted."""
    assert refusal(content).status == 400
