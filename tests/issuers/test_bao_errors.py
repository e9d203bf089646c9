"""What OpenBao's refusals mean: the status alone does not say."""

from __future__ import annotations

import json

import pytest

from mlsecrets import errors
from mlsecrets.issuers._answer import Answer
from mlsecrets.issuers._bao_errors import (
    lease_error,
    login_error,
    path_error,
    refused_by_policy,
    token_error,
    trouble,
)
from mlsecrets.issuers._bao_reply import Reply
from tests.issuers.peers import sealed

WHERE = "issuer bao"
#: What OpenBao 2.7.2 says of a policy, and of a token that is dead (measured).
POLICY = "1 error occurred:\n\t* permission denied\n\n"
DEAD = "permission denied"
#: What stands in between says.
FOREIGN = [
    b"",
    b"<html>403 Forbidden</html>",
    b"404 page not found\n",
    b'{"message": "Forbidden"}',
    b'{"errors": [{"code": 1020}]}',
    b'{"errors": "denied"}',
    b'{"errors": null}',
    b'["permission denied"]',
    b'{"errors": ["permission den',
]


def answer(status: int, *said: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return of(status, json.dumps({"errors": list(said)}).encode(), named)


def of(status: int, body: bytes, headers: dict[str, str] | None = None) -> Reply:
    return Reply(Answer(status, headers or {}, sealed(body), 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (429, "", errors.IssuerThrottled),
        (503, "Vault is sealed", errors.IssuerSealed),
        (503, "", errors.IssuerUnavailable),
        (500, "internal error", errors.IssuerUnavailable),
        (412, "required index state not present", errors.IssuerUnavailable),
        (472, "", errors.IssuerUnavailable),
        (473, "", errors.IssuerUnavailable),
        (403, POLICY, errors.AccessRefused),
        (404, "", errors.AccessRefused),
        (404, 'no handler for route "nomount/x"', errors.AccessRefused),
        (405, "unsupported operation", errors.AccessRefused),
        (400, "unknown role: nobody", errors.AccessRefused),
        (400, 'role "none" not found', errors.AccessRefused),
        (400, "no entity associated with the request's token", errors.AccessRefused),
        (400, "dial tcp 127.0.0.1:5432: connection refused", errors.IssuerUnavailable),
        (400, "host not found", errors.IssuerUnavailable),
        (418, "", errors.BadAnswer),
        (204, "", errors.BadAnswer),
    ],
)
def test_a_refused_path(status: int, said: str, kind: type[errors.IssuerError]) -> None:
    """Each refusal has the type that says whether another try helps."""
    error = path_error(answer(status, said), WHERE, "database/creds/reader")
    assert type(error) is kind
    assert error.remedy


def test_a_deleted_version_is_nothing_there() -> None:
    """KV version 2 answers 404 with metadata and without errors (measured)."""
    body = {"request_id": "b375b0b3", "lease_id": "", "data": {"data": None}}
    error = path_error(of(404, json.dumps(body).encode()), WHERE, "secret/data/x")
    assert type(error) is errors.AccessRefused


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, "lease not found", errors.GrantGone),
        (400, "invalid lease", errors.GrantGone),
        (400, "lease is not renewable", errors.GrantGone),
        (
            400,
            "failed to renew entry: past the max TTL, cannot renew",
            errors.GrantGone,
        ),
        (
            400,
            "failed to renew entry: dial tcp: connection refused",
            errors.IssuerUnavailable,
        ),
        (
            400,
            'failed to renew entry: backend says "role not found"',
            errors.IssuerUnavailable,
        ),
        (400, "something new", errors.IssuerUnavailable),
        (403, POLICY, errors.AccessRefused),
        (404, "", errors.BadAnswer),
        (503, "Vault is sealed", errors.IssuerSealed),
        (500, "lease not found", errors.IssuerUnavailable),
    ],
)
def test_a_refused_renewal(
    status: int, said: str, kind: type[errors.IssuerError]
) -> None:
    """Only a lease that is gone, or at its end, is replaced for it."""
    error = lease_error(answer(status, said), WHERE, "database/1")
    assert type(error) is kind
    assert error.remedy or kind is errors.GrantGone  # which is mended by itself


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (403, DEAD, errors.GrantGone),
        (403, "2 errors occurred: permission denied, invalid token", errors.GrantGone),
        (403, POLICY, errors.AccessRefused),
        (400, "lease is not renewable", errors.GrantGone),
        (400, "batch tokens cannot be renewed", errors.GrantGone),
        (503, "Vault is sealed", errors.IssuerSealed),
        (429, "", errors.IssuerThrottled),
    ],
)
def test_a_login_that_is_not_renewed(
    status: int, said: str, kind: type[errors.IssuerError]
) -> None:
    """A dead token is replaced; one that may not renew itself lives on."""
    assert type(token_error(answer(status, said), WHERE)) is kind


@pytest.mark.parametrize(
    ("said", "by_policy"),
    [
        (POLICY, True),
        (DEAD, False),
        # Vault, for a token it does not know.
        ("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n", False),
        ("1 error occurred:\n\t* invalid token\n\n", False),
    ],
)
def test_a_policy_and_a_dead_token_are_told_apart(said: str, by_policy: bool) -> None:
    """Both are 403."""
    assert refused_by_policy(answer(403, said)) is by_policy
    assert not refused_by_policy(answer(400, said))


@pytest.mark.parametrize(
    ("identity", "said", "kind"),
    [
        ("approle", "invalid role or secret ID", errors.LoginRefused),
        ("userpass", "invalid username or password", errors.LoginRefused),
        ("approle", "permission denied", errors.LoginRefused),
        (
            "jwt-file",
            "error validating token: invalid expiration time (exp) claim: token is "
            "expired",
            errors.IdentityExpired,
        ),
        (
            "jwt-file",
            "error validating token: invalid not before (nbf) claim: token not yet "
            "valid",
            errors.IssuerUnavailable,
        ),
        (
            "jwt-file",
            "error validating token: error verifying token signature: fetching keys "
            "oidc: get keys failed: 503 Service Unavailable your trial has expired",
            errors.IssuerUnavailable,
        ),
        (
            "jwt-file",
            "error configuring token validator: keyset configuration error: Get "
            '"http://idp/.well-known/openid-configuration": connection refused',
            errors.IssuerUnavailable,
        ),
        (
            "jwt-file",
            "error validating token: invalid audience (aud) claim: audience claim does "
            "not match any expected audience",
            errors.LoginRefused,
        ),
        ("jwt-file", 'role "nobody" could not be found', errors.LoginRefused),
        ("approle", "Vault is sealed", errors.LoginRefused),
    ],
)
def test_a_refused_login(
    identity: str, said: str, kind: type[errors.IssuerError]
) -> None:
    """A JWT may have expired, be wrong, or be one that nobody can judge."""
    error = login_error(answer(400, said), WHERE, identity, "auth/x/login")
    assert type(error) is kind
    assert error.remedy


@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 511])
def test_a_refusal_in_other_words_is_no_refusal(status: int, body: bytes) -> None:
    """A gateway, a captive portal, a firewall: nobody has asked the issuer."""
    said = of(status, body)
    for error in (
        path_error(said, WHERE, "secret/data/x"),
        login_error(said, WHERE, "approle", "auth/approle/login"),
        lease_error(said, WHERE, "database/1"),
        token_error(said, WHERE),
    ):
        assert isinstance(error, errors.IssuerUnavailable)
        assert isinstance(error, errors.BadAnswer) or status >= 500
        assert error.remedy
    assert not refused_by_policy(said)


def test_no_answer_is_quoted() -> None:
    """An error body could carry what must not be shown."""
    said = "permission denied for token hvs.SECRET"
    for error in (
        path_error(answer(403, said), WHERE, "secret/data/x"),
        login_error(answer(400, said), WHERE, "approle", "auth/approle/login"),
        lease_error(answer(400, said), WHERE, "database/1"),
        token_error(answer(403, said), WHERE),
        path_error(of(403, said.encode()), WHERE, "secret/data/x"),
    ):
        assert "hvs.SECRET" not in error.diagnostics()


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 0.0)])
def test_a_server_says_how_long_it_will_be_away(
    status: int, header: str, seconds: float
) -> None:
    """Throttled or broken, in the issuer's words or a gateway's."""
    for told in (
        answer(status, Retry_After=header),
        of(status, b"<html>", {"Retry-After": header}),
        answer(503, "Vault is sealed", Retry_After=header),
    ):
        error = trouble(told, WHERE)
        assert error is not None
        assert error.retry_after == seconds
