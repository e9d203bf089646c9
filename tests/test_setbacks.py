"""Failures in a row, and refusals by servers: when it is worth trying again."""

from __future__ import annotations

import pytest

from mlsecrets import errors
from mlsecrets._setbacks import Failure, Rejections, Setbacks, refused


@pytest.mark.parametrize(
    "error",
    [
        errors.LoginRefused("no"),
        errors.IdentityExpired("no"),
        errors.AccessRefused("no"),
        errors.ClockSkew("no"),
        errors.GrantGone("no"),
        errors.IssuerError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_plain_no_is_a_refusal(error: Failure) -> None:
    """The issuer has heard and answered."""
    assert refused(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.IssuerUnavailable("away"),
        errors.IssuerUnreachable("away"),
        errors.IssuerSealed("away"),
        errors.IssuerThrottled("away"),
        errors.UntrustedIssuer("away"),
        errors.BadAnswer("away"),
        errors.IdentityError("the file is being rotated"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_no_refusal(error: Failure) -> None:
    """Nobody who decides has said no."""
    assert not refused(error)


def test_pauses_grow_and_a_success_clears_them() -> None:
    """Full jitter over a doubling step: compared by their upper bounds."""
    setbacks = Setbacks()
    away = errors.IssuerUnavailable("away")
    for attempt in range(1, 8):
        pause = setbacks.note(away, now=100.0, remaining=1e6)
        assert 0.1 * 2 ** (attempt - 1) <= pause <= 2 ** (attempt - 1)
        assert setbacks.retry_at == 100.0 + pause
    setbacks.clear()
    assert setbacks.last is None
    assert setbacks.note(away, now=100.0, remaining=1e6) <= 1.0


def test_a_crowded_issuer_is_asked_more_seldom_than_one_that_is_away() -> None:
    """Ten minutes past the end of a 15-minute life, after many failures."""
    pauses = {}
    for kind in (errors.IssuerThrottled, errors.IssuerUnreachable):
        setbacks = Setbacks()
        for _ in range(20):
            setbacks.note(kind("later"), now=0.0, remaining=-20.0, lifetime=900.0)
        pauses[kind] = [
            setbacks.note(kind("later"), now=0.0, remaining=-20.0, lifetime=900.0)
            for _ in range(50)
        ]
    assert max(pauses[errors.IssuerUnreachable]) <= 5.0
    assert min(pauses[errors.IssuerThrottled]) >= 22.5
    assert max(pauses[errors.IssuerThrottled]) <= 225.0


def test_a_refusal_is_asked_again_at_half_of_what_is_left() -> None:
    """Often enough for a policy that is mended, too seldom to lock an account."""
    setbacks = Setbacks()
    assert setbacks.note(errors.AccessRefused("no"), now=0.0, remaining=100.0) == 50.0


def test_the_first_rejection_is_believed_and_a_storm_is_not() -> None:
    """A hundred refused requests a second cost a call now and then."""
    rejections = Rejections()
    believed = [now for now in range(1000) if rejections.believe(now / 100)]
    assert believed[0] == 0
    assert len(believed) <= 5


def test_a_rejection_after_a_calm_time_is_news() -> None:
    """What was accepted meanwhile is no storm: keys revoked each minute are mended."""
    rejections = Rejections()
    assert all(rejections.believe(minute * 60.0) for minute in range(100))


def test_a_storm_is_over_when_it_has_been_calm_as_long_as_its_pause() -> None:
    """And not before."""
    rejections = Rejections()
    now = 0.0
    while now < 100.0:
        rejections.believe(now)
        now += 0.1
    assert not rejections.believe(now)  # the pause is 64 s by now
    now += 200.0
    assert rejections.believe(now)
    assert rejections.believe(now + 1.0)
