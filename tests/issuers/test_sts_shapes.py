"""A store's and a revoker's answers that are not what was asked for."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mlsecrets import errors
from mlsecrets.grant import Fate
from mlsecrets.memory import SecretBuffer
from tests.issuers.conftest import World, scope

SESSION = """<?xml version="1.0" encoding="UTF-8"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>ASIAca9a8193e1bf2e2c</AccessKeyId><SecretAccessKey>01qp+I=</SecretAccessKey>
<SessionToken>eyJhbGciOiJIUzI1NiIs</SessionToken><Expiration>{}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""

LATE = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<Error><Type>Sender</Type><Code>ExpiredTokenException</Code>
<Message>Token expired</Message></Error></ErrorResponse>"""


def lasting(world: World, seconds: float) -> bytes:
    """A session."""
    instant = datetime.fromtimestamp(world.clock.wall() + seconds, timezone.utc)
    return SESSION.format(instant.isoformat()).encode()


def test_a_genuine_session_is_understood(world: World) -> None:
    """So that the others fail for what is changed in them."""
    world.say("/", lasting(world, 60))
    assert world.sts().issue(scope(), 5.0).terms.lifetime == 59.0


def test_a_jwt_that_dies_on_its_way_is_followed_by_another(world: World) -> None:
    """A stopped process or a slow store is no reason to tell the job of an outage."""
    world.say("/", LATE, 400)
    world.then_say("/", lasting(world, 60))
    world.calls.clear()
    assert world.sts().issue(scope(), 5.0).terms.lifetime == 59.0
    assert [path for path in world.calls if "login" not in path] == 2 * [
        "/v1/identity/oidc/token/s3",
        "/",
    ]


def test_two_jwts_that_die_on_their_way_are_an_outage(world: World) -> None:
    """The store's clock, perhaps, or a role whose JWTs are too short."""
    world.say("/", LATE, 400)
    with pytest.raises(errors.IssuerUnavailable, match="expired on its way") as caught:
        world.sts().issue(scope(), 5.0)
    assert world.calls.count("/") == 2
    assert caught.value.remedy is not None
    assert "ttl" in caught.value.remedy
    assert caught.value.__context__ is None, "the first one's frames are kept"


def test_a_second_jwt_is_part_of_the_same_call(world: World) -> None:
    """Both tries together take no longer than the caller allowed."""
    world.say("/", LATE, 400)
    world.cost = 2.0
    with pytest.raises(errors.IssuerUnavailable):
        world.sts().issue(scope(), 5.0)
    assert world.calls.count("/") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html><body>Sign in</body></html>",
        SESSION.format("tomorrow").encode(),
        SESSION.format("2026-11-24T02:09:36").encode(),
        SESSION.replace("SessionToken", "Else").format("2030-01-01T00:00:00Z").encode(),
        SESSION[:200].encode(),
    ],
)
def test_a_session_that_is_none(body: bytes, world: World) -> None:
    """Whatever the status says."""
    world.say("/", body)
    with pytest.raises(errors.BadAnswer) as caught:
        world.sts().issue(scope(), 5.0)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"revoked": false}', errors.BadAnswer),
        (200, b'{"revoked": "yes"}', errors.BadAnswer),
        (200, b"<html>Sign in</html>", errors.BadAnswer),
        (200, b"[" * 50_000, errors.BadAnswer),
        (403, b"<html>Forbidden</html>", errors.BadAnswer),
        (404, b"", errors.BadAnswer),
        (403, b'{"error": {"code": 7}}', errors.BadAnswer),
        (429, b'{"error": "slowly"}', errors.IssuerThrottled),
        (502, b'{"error": "store unavailable"}', errors.IssuerUnavailable),
        (500, b"", errors.IssuerUnavailable),
    ],
)
def test_a_revoker_that_is_none_or_is_not_able(
    status: int, body: bytes, kind: type[errors.IssuerError], world: World
) -> None:
    """The session may still be ended: it is worth another try."""
    world.say("/v1/end-session", body, status)
    with SecretBuffer.of("proof") as proof, pytest.raises(kind) as caught:
        world.revoker_client().end(proof, 5.0)
    assert type(caught.value) is kind
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("status", "body", "fate"),
    [
        (200, b'{"revoked": true, "arn": "arn:aws:sts::x"}', Fate.REVOKED),
        (403, b'{"error": "proof refused"}', Fate.ENDS_AT_TTL),
        (400, b'{"error": "expected a JSON object"}', Fate.ENDS_AT_TTL),
    ],
)
def test_a_revoker_that_decides(
    status: int, body: bytes, fate: Fate, world: World
) -> None:
    """In its own words."""
    world.say("/v1/end-session", body, status)
    with SecretBuffer.of("proof") as proof:
        assert world.revoker_client().end(proof, 5.0).fate is fate
