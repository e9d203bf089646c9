"""Our signatures are botocore's, and AWS's own examples; the key is not in a string."""

from __future__ import annotations

import copy
import datetime
import io
import json
import pickle
from http.client import parse_headers
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.compat import parse_qsl, urlsplit
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsecrets.credentials import AWSCredentials
from mlsecrets.errors import NotLeased
from mlsecrets.grant import Grant, Terms
from mlsecrets.storage._sign import LeaseCredentials, LockedCredentials
from mlsecrets.storage._signers import SIGNERS, locked

TERMS = Terms("train-data", "s-1", 0.0, 60.0, 60.0)

# "AWS Signature Version 4 Test Suite", Copyright 2019 Amazon.com, Inc., Apache License
# 2.0: its requests, strings to sign and signatures, as botocore carries them.
VECTORS = json.loads(
    Path(__file__).with_name("aws4_vectors.json").read_text(encoding="utf-8")
)
SUITE_KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SUITE_NOW = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.timezone.utc)
# One is no HTTP; botocore has no requests with a parameter twice (its own test-suite
# leaves out the same four). Their strings to sign are signed all the same.
NOT_FOR_BOTOCORE = {
    "normalize-path/get-space",
    "get-vanilla-query-order-key-case",
    "get-vanilla-query-order-key",
    "get-vanilla-query-order-value",
}

# "Signature Calculations for the Authorization Header" and "Authenticating Requests:
# Using Query Parameters", Amazon S3 API Reference.
S3_KEY = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
S3_NOW = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)
S3_HOST = "https://examplebucket.s3.amazonaws.com"
EMPTY = auth.EMPTY_SHA256_HASH


def leased(key: tuple[str, str], token: str | None = None) -> LockedCredentials:
    """As our clients have them when they sign."""
    values = AWSCredentials.of(*key, token or "unused")
    return LockedCredentials(Grant(TERMS, values), token)  # type: ignore[arg-type]


def signed(
    signer: str,
    credentials: Any,
    now: datetime.datetime,
    request: AWSRequest,
    **more: Any,
) -> AWSRequest:
    """A request after it was signed at an instant."""
    kind = auth.AUTH_TYPE_MAPS[signer]
    made = (
        kind(credentials, **more)
        if issubclass(kind, auth.HmacV1Auth)
        else kind(credentials, "s3", "us-east-1", **more)
    )
    with (
        patch.object(auth, "get_current_datetime", lambda: now),
        patch.object(auth, "formatdate", lambda *_, **__: "Fri, 24 May 2013"),
        patch.object(auth.time, "time", now.timestamp),
    ):
        made.add_auth(request)
    return request


# -- published -----------------------------------------------------------------------


def suite_request(raw: str) -> AWSRequest:
    """As botocore's own test makes it of the suite's text."""
    head, _, rest = raw.partition("\n")
    method, path, _ = head.split(" ")
    headers, _, body = rest.partition("\n\n")
    request = AWSRequest(method=method, data=body.encode())
    lines = headers.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    for name, value in parse_headers(io.BytesIO(lines)).items():
        request.headers[name] = value
    url = f"https://{request.headers['host']}{path}"
    request.url = url.partition("?")[0]
    request.params = dict(parse_qsl(urlsplit(url).query))
    return request


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_published_suite(vector: dict[str, Any]) -> None:
    """Each signature of AWS's suite, from the request and from its string to sign."""
    credentials = leased(SUITE_KEY, vector["token"])
    signer = SIGNERS["mlsecrets-v4"](credentials, "service", "us-east-1")
    stamp = AWSRequest()
    stamp.context["timestamp"] = "20150830T123600Z"
    assert signer.signature(vector["string_to_sign"], stamp) == vector["signature"]
    if vector["name"] in NOT_FOR_BOTOCORE:
        return
    request = suite_request(vector["request"])
    with patch.object(auth, "get_current_datetime", lambda: SUITE_NOW):
        signer.add_auth(request)
    assert request.headers["Authorization"].endswith(f"={vector['signature']}")


def test_the_suite_is_all_there() -> None:
    """Not vacuous: so many cases, and each with a signature of its own or nearly."""
    assert len(VECTORS) == 34
    assert len({vector["signature"] for vector in VECTORS}) > 20


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (
            "/test.txt",
            {"Range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "/?lifecycle=",
            {},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "/?max-keys=2&prefix=J",
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_examples_of_s3(path: str, headers: dict[str, str], expected: str) -> None:
    """Amazon's own, for requests with a header."""
    request = AWSRequest("GET", S3_HOST + path, headers)
    signed("mlsecrets-s3v4", leased(S3_KEY), S3_NOW, request)
    assert request.headers["Authorization"].endswith(f"Signature={expected}")


def test_the_example_of_a_presigned_url() -> None:
    """Amazon's own, valid for a day."""
    request = AWSRequest("GET", f"{S3_HOST}/test.txt")
    signed("mlsecrets-s3v4-query", leased(S3_KEY), S3_NOW, request, expires=86400)
    assert request.url.endswith(
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_the_example_of_the_older_signature() -> None:
    """Amazon's own ("Signing and authenticating REST requests", Object GET)."""
    signer = SIGNERS["mlsecrets-s3"](leased(S3_KEY))
    to_sign = (
        "GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg"
    )
    assert signer.sign_string(to_sign) == "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="


# -- beside botocore's ---------------------------------------------------------------

plain = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
keys = st.text(
    st.characters(whitelist_categories=["Lu", "Ll", "Nd", "Zs"]),
    min_size=1,
    max_size=20,
)
moments = st.integers(946684800, 4102444800).map(  # the years 2000 to 2100
    lambda at: datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
)


@st.composite
def requests(draw: st.DrawFn) -> AWSRequest:
    """What an S3 client might send."""
    path = botocore.compat.quote(draw(keys), safe="/~")
    names = st.sampled_from(
        ["Range", "x-amz-meta-a", "x-amz-acl", "Content-MD5", "x-crc"]
    )
    request = AWSRequest(
        draw(st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"])),
        f"{draw(st.sampled_from(['https', 'http']))}://bucket.example.org:8333/{path}",
        draw(st.dictionaries(names, header_values, max_size=3)),
        draw(st.binary(max_size=100)),
        draw(st.dictionaries(plain.filter(bool), plain, max_size=3)),
        auth_path=f"/bucket/{path}",
    )
    request.context["has_streaming_input"] = draw(st.booleans())
    request.context["payload_signing_enabled"] = draw(st.booleans())
    # A body in chunks, its checksum at the end; or one whose checksum is a header.
    request.context["checksum"] = {
        "request_algorithm": draw(
            st.sampled_from([{}, {"in": "trailer"}, {"in": "header", "name": "x-crc"}])
        )
    }
    request.context["client_config"] = Config(
        s3={"payload_signing_enabled": draw(st.sampled_from([None, True, False]))}
    )
    return request


@pytest.mark.parametrize(
    "stock", ["v4", "s3v4", "s3", "s3v4-presign-post", "s3-presign-post"]
)
@settings(max_examples=25)
@given(
    request=requests(),
    now=moments,
    key=st.tuples(plain.filter(bool), plain.filter(bool)),
    token=st.none() | plain.filter(bool),
)
def test_our_signature_is_botocores(
    stock: str,
    request: AWSRequest,
    now: datetime.datetime,
    key: tuple[str, str],
    token: str | None,
) -> None:
    """For any request, instant and key: the same headers, the same form."""
    theirs, ours = copy.deepcopy(request), copy.deepcopy(request)
    signed(stock, ReadOnlyCredentials(*key, token, None), now, theirs)
    signed(f"mlsecrets-{stock}", leased(key, token), now, ours)
    assert list(ours.headers.items()) == list(theirs.headers.items())
    for made in (ours, theirs):
        del made.context["client_config"]  # compares by identity
    assert ours.context == theirs.context
    assert ours.url == theirs.url


@pytest.mark.parametrize("stock", ["v4-query", "s3v4-query", "s3-query"])
@settings(max_examples=25)
@given(request=requests(), now=moments, seconds=st.integers(1, 604800), token=plain)
def test_our_presigned_url_is_botocores(
    stock: str, request: AWSRequest, now: datetime.datetime, seconds: int, token: str
) -> None:
    """To the last character."""
    request.data = b""
    theirs, ours = copy.deepcopy(request), copy.deepcopy(request)
    known = ReadOnlyCredentials(*S3_KEY, token, None)
    signed(stock, known, now, theirs, expires=seconds)
    signed(f"mlsecrets-{stock}", leased(S3_KEY, token), now, ours, expires=seconds)
    assert ours.url == theirs.url
    assert "ignature=" in ours.url


# -- which signer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "ours"),
    [
        ("s3v4", None, "mlsecrets-s3v4"),
        ("v4", "s3v4", "mlsecrets-s3v4"),
        ("v4-query", "s3v4", "mlsecrets-s3v4-query"),
        ("s3v4-query", "s3-query", "mlsecrets-s3-query"),
        ("v4-presign-post", "s3v4", "mlsecrets-s3v4-presign-post"),
        ("s3", None, "mlsecrets-s3"),
        ("s3v4", botocore.UNSIGNED, botocore.UNSIGNED),
        (botocore.UNSIGNED, None, botocore.UNSIGNED),
    ],
)
def test_the_twin_of_what_botocore_chose(asked: Any, answered: Any, ours: Any) -> None:
    """Presigning stays presigning, unsigned stays unsigned."""
    assert locked(asked, answered) == ours


@pytest.mark.parametrize("answered", ["s3v4a", "v4-s3express", "bearer"])
def test_what_needs_the_key_itself_is_refused(answered: str) -> None:
    """In words, before anything is sent."""
    with pytest.raises(NotLeased, match=f"signed as {answered}") as caught:
        locked("v4", answered)
    assert "s3v4" in (caught.value.remedy or "")


def test_the_key_is_not_given_out() -> None:
    """Whoever asks is told what to do instead; nothing prints or pickles it."""
    credentials = leased(S3_KEY, "a-token-that-is-long")
    with pytest.raises(NotLeased, match="not given out") as caught:
        credentials.secret_key  # noqa: B018
    assert "boto3_session" in (caught.value.remedy or "")
    for text in (repr(credentials), str(credentials), f"{credentials}"):
        assert text == "<LockedCredentials AKIAIOSFODNN7EXAMPLE>"
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(credentials)


def test_botocores_own_signer_gets_no_key() -> None:
    """A handler that insists on it fails closed."""
    request = AWSRequest("GET", f"{S3_HOST}/test.txt")
    with pytest.raises(NotLeased, match="not given out"):
        signed("s3v4", leased(S3_KEY), S3_NOW, request)
    assert "Authorization" not in request.headers


def test_credentials_of_no_lease_say_so() -> None:
    """What a client without a bucket is told."""
    with pytest.raises(NotLeased, match="names no bucket"):
        LeaseCredentials(None).get_frozen_credentials()
