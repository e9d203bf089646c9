"""Signatures are those of AWS and of botocore, and leave no key behind."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.issuers._sigv4 import sign
from mlsecrets.memory import Sealed, SecretBuffer, count_copies
from tests.issuers.peers import sealed

NOW = datetime(2015, 8, 30, 12, 36, 0, tzinfo=timezone.utc)
# The example of "Signature Version 4 signing process" in the AWS General Reference.
EXAMPLE_KEY = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EXAMPLE = {
    "method": "GET",
    "url": "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
    "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    "body": b"",
    "access_key": "AKIDEXAMPLE",
    "secret_key": sealed(EXAMPLE_KEY),
    "session_token": None,
    "region": "us-east-1",
    "service": "iam",
    "now": NOW,
}


def signed(**changes: object) -> dict[str, str]:
    """The published example, with changes."""
    return sign(**{**EXAMPLE, **changes})  # type: ignore[arg-type]  # by keyword


def test_the_published_example_gives_the_published_signature() -> None:
    """GET ListUsers of 30 August 2015, as AWS prints it."""
    assert signed() == {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        "authorization": (
            "AWS4-HMAC-SHA256 "
            "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, Signature="
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        ),
    }


WORD = st.text(string.ascii_letters + string.digits + "-_.~", max_size=8)
ENCODED = st.lists(WORD | st.sampled_from(["%20", "%2F", "%E1%88%B4", "+"])).map(
    "".join
)
SEGMENT = ENCODED | st.sampled_from(["", ".", ".."])
QUERY = st.lists(st.tuples(ENCODED, st.none() | ENCODED)).map(
    lambda pairs: "&".join(k if v is None else f"{k}={v}" for k, v in pairs)
)
URL = st.builds(
    lambda origin, path, query: origin + path + (f"?{query}" if query else ""),
    st.sampled_from(
        [
            "https://sts.amazonaws.com",
            "http://127.0.0.1:8333",
            "https://Example.org:443",
            "http://[::1]:80",
            "http://[::1]:8080",
        ]
    ),
    st.lists(SEGMENT).map(lambda segments: "".join(f"/{s}" for s in segments)),
    QUERY,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "X-Custom", "x-amz-meta-a", "User-Agent", "Expect", "X-Empty"]
    ),
    st.text(string.ascii_letters + " \t,;=/\u00e9", max_size=20),
)


@given(
    method=st.sampled_from(["GET", "POST", "put"]),
    url=URL,
    headers=HEADERS,
    body=st.binary(max_size=40),
    secret=st.text(string.ascii_letters + string.digits + "+/", min_size=1),
    token=st.none() | st.text(string.ascii_letters + "+/=", min_size=1),
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    service=st.sampled_from(["sts", "iam"]),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  # UTC
)
def test_it_signs_as_botocore_does(  # the parts of a request
    *,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    secret: str,
    token: str | None,
    region: str,
    service: str,
    now: datetime,
) -> None:
    """Any request gets the very Authorization header that botocore gives it."""
    auth = pytest.importorskip("botocore.auth")
    request = pytest.importorskip("botocore.awsrequest").AWSRequest(
        method=method, url=url, headers=headers, data=body
    )
    credentials = pytest.importorskip("botocore.credentials").Credentials
    with mock.patch.object(auth, "get_current_datetime", return_value=now):
        auth.SigV4Auth(credentials("AKID", secret, token), service, region).add_auth(
            request
        )
    ours = sign(
        method=method,
        url=url,
        headers=headers,
        body=body,
        access_key="AKID",
        secret_key=sealed(secret.encode()),
        session_token=None if token is None else sealed(token.encode()),
        region=region,
        service=service,
        now=now.replace(tzinfo=timezone.utc),
    )
    assert ours["authorization"] == request.headers["Authorization"]
    for name, value in request.headers.items():
        if name == "X-Amz-Security-Token":
            assert name.lower() not in ours  # stays where it is
        else:
            assert ours[name.lower()] == value


def test_every_header_given_is_signed_and_sent() -> None:
    """What the receiver relies on (an audience, say) cannot be changed on the way."""
    headers = signed(headers={"X-MLSecrets-Revoker": "devstack", "User-Agent": "x"})
    assert headers["x-mlsecrets-revoker"] == "devstack"
    assert "host;x-amz-date;x-mlsecrets-revoker," in headers["authorization"]
    other = signed(headers={"X-MLSecrets-Revoker": "elsewhere", "User-Agent": "x"})
    assert other["authorization"] != headers["authorization"]


def test_old_signatures_are_replaced() -> None:
    """Signing what was signed before gives one whole signature, not a mixture."""
    token = sealed(b"token")
    once = signed(session_token=token)
    later = NOW + timedelta(minutes=1)
    again = signed(
        headers={**once, "X-Amz-Security-Token": "older"},
        session_token=token,
        now=later,
    )
    afresh = signed(session_token=token, now=later)
    assert again == afresh


def test_local_time_is_signed_as_utc() -> None:
    """A clock in another zone is the same instant."""
    zone = timezone(timedelta(hours=9))
    assert signed(now=NOW.astimezone(zone)) == signed()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": "s3"}, "S3 requests are signed by other rules"),
        ({"now": NOW.replace(tzinfo=None)}, "naive"),
        ({"url": "https://user:pw@sts.example.org/"}, "does not belong"),
        ({"url": "/relative"}, "http"),
        ({"session_token": sealed(b"to ken")}, "without white space"),
    ],
)
def test_what_cannot_be_signed_is_refused(
    change: dict[str, object], message: str
) -> None:
    """Better no request than one signed for something else."""
    with pytest.raises(ValueError, match=message):
        signed(**change)


# Derives the keys of the example's date, region and service; no hmac state is shared.
_DERIVE = """
import hmac, sys
key = b"AWS4" + sys.stdin.buffer.read()
for part in (b"20150830", b"us-east-1", b"iam", b"aws4_request"):
    key = hmac.digest(key, part, "sha256")
    sys.stdout.buffer.write(key)
"""


def derive_elsewhere(secret: SecretBuffer, keys: list[SecretBuffer]) -> None:
    """Fill in the derived keys without this process ever holding them elsewhere."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", _DERIVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child,
        ExitStack() as stack,
    ):
        assert child.stdin
        assert child.stdout
        os.writev(child.stdin.fileno(), [stack.enter_context(secret.reading())])
        child.stdin.close()
        views = [stack.enter_context(key.writable()) for key in keys]
        assert child.wait(timeout=60) == 0
        assert os.readv(child.stdout.fileno(), views) == 4 * 32


@pytest.mark.skipif(sys.platform != "linux", reason="scans Linux's /proc")
def test_signing_leaves_no_key_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the secret key nor any key derived from it stays in memory."""
    with ExitStack() as stack:
        secret = stack.enter_context(SecretBuffer(40))
        keys = [stack.enter_context(SecretBuffer(32)) for _ in range(4)]
        with secret.writable() as view:
            for i in range(40):
                view[i] = ord("a") + os.urandom(1)[0] % 26
        derive_elsewhere(secret, keys)
        signed(secret_key=Sealed(secret, 0, 40))
        assert count_copies([secret, *keys]).copies == 0
        # The control: kept instead of wiped, the four derived keys are found.
        kept: list[bytes] = []
        monkeypatch.setattr("mlsecrets._sigv4_key.wipe_own_bytes", kept.append)
        signed(secret_key=Sealed(secret, 0, 40))
        assert count_copies([secret, *keys]).copies == len(kept) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="scans Linux's /proc")
def test_signing_leaves_no_session_token_behind() -> None:
    """It is hashed where it lies, between the pieces of the request around it."""
    with SecretBuffer(356) as token:
        with token.writable() as view:
            for i in range(len(view)):
                view[i] = ord("a") + os.urandom(1)[0] % 26
        headers = signed(session_token=Sealed(token, 0, 356))
        assert ";x-amz-security-token, " in headers["authorization"]
        assert count_copies([token]).copies == 0
        shown = token.text()
        assert count_copies([token]).copies > 0
        assert len(shown) == 356
