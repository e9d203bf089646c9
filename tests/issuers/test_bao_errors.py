"""What OpenBao's refusals mean: the status alone does not say."""

from __future__ import annotations

import json

import pytest

from mlsecrets import errors
from mlsecrets.issuers._bao_errors import login_error, path_error, renewal_error
from mlsecrets.issuers._http import Answer

WHERE = "issuer bao"


def answer(status: int, *said: str, **headers: str) -> Answer:
    body = json.dumps({"errors": list(said)}).encode()
    return Answer(status, headers, body, 0.0, None, None)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (429, "", errors.IssuerThrottled),
        (503, "Vault is sealed", errors.IssuerSealed),
        (503, "", errors.IssuerUnavailable),
        (500, "internal error", errors.IssuerUnavailable),
        (412, "required index state not present", errors.IssuerUnavailable),
        (473, "", errors.IssuerUnavailable),
        (403, "1 error occurred:\n\t* permission denied\n\n", errors.AccessRefused),
        (404, "", errors.AccessRefused),
        (400, "unknown role: nobody", errors.AccessRefused),
        (400, "no entity associated with the request's token", errors.AccessRefused),
        (400, "dial tcp 127.0.0.1:5432: connection refused", errors.IssuerUnavailable),
        (418, "", errors.BadAnswer),
    ],
)
def test_a_refused_path(status: int, said: str, kind: type[errors.IssuerError]) -> None:
    """Each refusal has the type that says whether another try helps."""
    error = path_error(answer(status, said), WHERE, "database/creds/reader")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("lease not found", errors.GrantGone),
        ("invalid lease", errors.GrantGone),
        ("failed to renew entry: connection refused", errors.IssuerUnavailable),
    ],
)
def test_a_refused_renewal(said: str, kind: type[errors.IssuerError]) -> None:
    """A database that is down for a minute answers 400, like a lease that is gone."""
    assert type(renewal_error(answer(400, said), WHERE, "database/1")) is kind


@pytest.mark.parametrize(
    ("identity", "said", "kind"),
    [
        ("approle", "invalid role or secret ID", errors.LoginRefused),
        ("userpass", "invalid username or password", errors.LoginRefused),
        (
            "jwt-file",
            "error validating token: invalid expiration time (exp) claim: token is "
            "expired",
            errors.IdentityExpired,
        ),
        ("jwt-file", 'role "nobody" could not be found', errors.LoginRefused),
        ("approle", "Vault is sealed", errors.LoginRefused),
    ],
)
def test_a_refused_login(
    identity: str, said: str, kind: type[errors.IssuerError]
) -> None:
    """An expired JWT is told apart from a wrong one: the remedies differ."""
    error = login_error(answer(400, said), WHERE, identity, "auth/x/login")
    assert type(error) is kind
    assert error.remedy


def test_no_answer_is_quoted() -> None:
    """An error body could carry what must not be shown."""
    said = "permission denied for token hvs.SECRET"
    for error in (
        path_error(answer(403, said), WHERE, "secret/data/x"),
        login_error(answer(400, said), WHERE, "approle", "auth/approle/login"),
        renewal_error(answer(400, said), WHERE, "database/1"),
    ):
        assert "hvs.SECRET" not in error.diagnostics()


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 1.0)])
def test_a_throttled_answer_says_how_long(header: str, seconds: float) -> None:
    """Retry-After in seconds; anything else counts as one."""
    error = path_error(answer(429, **{"Retry-After": header}), WHERE, "x")
    assert isinstance(error, errors.IssuerThrottled)
    assert error.retry_after == seconds


def test_a_body_that_is_no_json_is_still_understood() -> None:
    """By its status; a proxy in between answers HTML."""
    proxy = Answer(502, {}, b"<html>bad gateway</html>", 0.0, None, None)
    assert type(path_error(proxy, WHERE, "x")) is errors.IssuerUnavailable
