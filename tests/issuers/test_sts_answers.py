"""What an STS says, and what others say in its place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets import errors
from mlsecrets.issuers._answer import Answer
from mlsecrets.issuers._sts_answers import (
    LateJWT,
    expiration,
    parse,
    refusal,
    session_credentials,
)
from tests.issuers.peers import sealed

WHERE = "issuer store"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def of(status: int, body: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, sealed(body), 0.0, 0.0, 0.0)


def error(status: int, code: str, message: str = "", **headers: str) -> Answer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><ErrorResponse xmlns="{NAMESPACE}">'
        f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
        "</Error><RequestId>18EAD9</RequestId></ErrorResponse>"
    )
    return of(status, body.encode(), **headers)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", errors.AccessRefused),
        (400, "MalformedPolicyDocument", errors.AccessRefused),
        (400, "PackedPolicyTooLarge", errors.AccessRefused),
        (400, "InvalidIdentityToken", errors.AccessRefused),
        (400, "InvalidParameterValue", errors.AccessRefused),
        (403, "IDPRejectedClaim", errors.AccessRefused),
        (400, "SomethingNew", errors.AccessRefused),
        (400, "IDPCommunicationError", errors.IssuerUnavailable),
        (400, "ExpiredTokenException", LateJWT),
        (400, "RequestTimeout", errors.IssuerUnavailable),
        (500, "InternalFailure", errors.IssuerUnavailable),
        (503, "ServiceUnavailable", errors.IssuerUnavailable),
        (400, "Throttling", errors.IssuerThrottled),
        (400, "ThrottlingException", errors.IssuerThrottled),
        (400, "RequestLimitExceeded", errors.IssuerThrottled),
        (400, "TooManyRequestsException", errors.IssuerThrottled),
        (503, "SlowDown", errors.IssuerThrottled),
        (429, "", errors.IssuerThrottled),
    ],
)
def test_a_refused_session(
    status: int, code: str, kind: type[errors.IssuerError]
) -> None:
    """Each has the type that says whether another try helps."""
    found = refusal(error(status, code), WHERE, "arn:aws:iam::role/r")
    assert type(found) is kind
    assert found.remedy


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        # SeaweedFS 4.48, measured with its OpenBao stopped.
        (
            403,
            "AccessDenied",
            "failed to validate web identity token: token validation failed with "
            "provider for issuer http://127.0.0.1/v1/identity/oidc: failed to get "
            "public key: failed to fetch JWKS: connection refused",
        ),
        # AWS.
        (
            400,
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider, please "
            "reference AssumeRoleWithWebIdentity documentation for requirements",
        ),
    ],
)
def test_a_store_that_cannot_ask_the_jwts_issuer(
    status: int, code: str, message: str
) -> None:
    """It refuses, but nothing is wrong with what it was shown."""
    found = refusal(error(status, code, message), WHERE, "arn:aws:iam::role/r")
    assert type(found) is errors.IssuerUnavailable
    assert "127.0.0.1" not in found.diagnostics()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>403 Forbidden</body></html>",
        b"<!DOCTYPE html><html></html>",
        b'{"message": "Forbidden"}',
        b"<ErrorResponse><Error><Code>Access",
        b"<Error><Code>not a code: hvs.SECRET</Code></Error>",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407])
def test_a_refusal_in_other_words_is_no_refusal(status: int, body: bytes) -> None:
    """It comes from something in between."""
    found = refusal(of(status, body), WHERE, "arn:aws:iam::role/r")
    assert type(found) is errors.BadAnswer
    assert found.remedy
    assert "hvs.SECRET" not in found.diagnostics()


@pytest.mark.parametrize(
    "told",
    [
        error(503, "SlowDown", Retry_After="7"),
        error(400, "Throttling", Retry_After="7"),
        of(503, b"<html>", Retry_After="7"),
        of(429, b"", Retry_After="7"),
    ],
)
def test_a_store_says_how_long_it_will_be_away(told: Answer) -> None:
    """Throttled or broken."""
    found = refusal(told, WHERE, "arn:aws:iam::role/r")
    assert isinstance(found, errors.IssuerUnavailable)
    assert found.retry_after == 7.0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Sign in to the guest network</html>",
        b"<a>",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_xml(body: bytes) -> None:
    """Or is more of it than an STS sends."""
    with pytest.raises(errors.BadAnswer) as caught:
        parse(of(200, body), WHERE)
    assert caught.value.remedy


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    """Whatever comes back is read, or is an error of ours."""
    try:
        parse(of(200, b"<a>" + body + b"</a>"), WHERE)
    except errors.BadAnswer as error:
        assert error.remedy  # noqa: PT017  an answer is as good


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-11-24T02:09:36",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "NaN",
        "1795486175",
    ],
)
def test_an_end_that_cannot_be_read(text: str) -> None:
    """No guess is made; what is beyond any calendar counts as unreadable or is far."""
    try:
        instant = expiration({"Expiration": sealed(text.encode())}, WHERE)
    except errors.BadAnswer as error:
        assert "Expiration" in str(error)  # noqa: PT017  or it is a number
    else:
        assert text[:4] in {"0001", "9999"}
        assert math.isfinite(instant)


@pytest.mark.parametrize("name", ["AccessKeyId", "SecretAccessKey", "SessionToken"])
@pytest.mark.parametrize("value", [None, "", "two words", "line\nbreak", "a\0", "é"])
def test_a_key_that_cannot_be_used(name: str, value: str | None) -> None:
    """It is named, and not shown."""
    leaves = {
        "AccessKeyId": sealed(b"ASIAEXAMPLE"),
        "SecretAccessKey": sealed(b"wJalr/+="),
        "SessionToken": sealed(b"eyJhbGciOi"),
    }
    session_credentials(leaves, WHERE).close()
    del leaves[name]
    if value is not None:
        leaves[name] = sealed(value.encode())
    with pytest.raises(errors.BadAnswer, match=name) as caught:
        session_credentials(leaves, WHERE)
    assert not value or value not in caught.value.diagnostics()
