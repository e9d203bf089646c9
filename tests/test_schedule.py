"""When to renew: laws that hold for every lifetime."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets._schedule import (
    backoff,
    call_timeout,
    gained_too_little,
    jitter,
    renewal_due,
    window,
)
from mlsecrets.grant import Terms

LIFETIMES = st.floats(1.0, 30 * 86400.0)
SHARES = st.floats(0.0, 1.0, exclude_max=True)


def terms(lifetime: float, *, renewable: bool = False, now: float = 0.0) -> Terms:
    return Terms("s", "id", 0.0, lifetime, now + lifetime, renewable)


@given(LIFETIMES)
def test_the_window_never_opens_before_half_of_the_life_has_passed(life: float) -> None:
    """Otherwise a short lease would be renewed at every read."""
    assert 0 < window(life) <= life / 2


@pytest.mark.parametrize(
    ("lifetime", "expected"),
    [(10, 5), (60, 30), (900, 300), (1200, 300), (3600, 900), (43200, 3600)],
)
def test_the_window_follows_the_published_table(lifetime: int, expected: int) -> None:
    """5, 15 or 60 minutes by lifetime, capped at half."""
    assert window(lifetime) == expected


@given(LIFETIMES, st.text(), st.booleans())
def test_renewal_is_due_in_the_middle_of_the_life(
    life: float, key: str, renewable: bool
) -> None:
    """Neither at once nor at the very end, whatever the jitter."""
    due = renewal_due(terms(life, renewable=renewable), key)
    assert life / 2 <= due <= life * 0.999 or due >= life - 3600
    assert due < life


@given(st.text())
def test_jitter_is_a_share_and_reproducible(key: str) -> None:
    """The same process renews at the same point of every lease."""
    assert 0 <= jitter(key) < 1
    assert jitter(key) == jitter(key)


def test_ranks_spread_over_the_window() -> None:
    """512 ranks do not meet at one instant."""
    dues = [renewal_due(terms(3600), f"train:host:{rank}") for rank in range(512)]
    width = 0.3 * window(3600)
    tenths = [
        sum(1 for d in dues if int((d - min(dues)) / width * 10) == t)
        for t in range(10)
    ]
    assert max(tenths) < 2 * 51.2


@given(st.integers(1, 100), st.floats(0.5, 86400), SHARES)
def test_backoff_leaves_time_for_another_try(
    attempt: int, remaining: float, share: float
) -> None:
    """Never more than a quarter of what is left, never more than five minutes."""
    pause = backoff(attempt, remaining, share)
    assert 0.05 <= pause <= max(0.05, min(remaining / 4, 300))


@given(st.integers(1, 100), SHARES)
def test_backoff_goes_on_when_nothing_valid_is_left(attempt: int, share: float) -> None:
    """A dead lease is tried again within half a minute."""
    assert 0.05 <= backoff(attempt, 0.0, share) <= 30


@given(LIFETIMES, st.floats(0, 1))
def test_a_capped_renewal_is_recognised(life: float, gained: float) -> None:
    """A tenth of the lifetime is the border."""
    before, after = terms(life), terms(life + gained * life)
    assert gained_too_little(before, after) == (
        after.deadline - before.deadline < life / 10
    )


@given(st.floats(-10, 1e6))
def test_a_call_may_take_half_of_what_is_left(remaining: float) -> None:
    """Between one and ten seconds."""
    assert 1 <= call_timeout(remaining) <= 10
    assert call_timeout(remaining) <= max(1, remaining / 2)
