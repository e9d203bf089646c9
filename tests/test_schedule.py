"""When to renew: laws that hold for every lifetime."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets._schedule import (
    backoff,
    call_timeout,
    gained_too_little,
    jitter,
    last_call,
    pause_after_refusal,
    pause_as_asked,
    rejection_pause,
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


@given(st.integers(1, 100), st.floats(0.001, 30 * 86400.0), SHARES)
def test_backoff_leaves_time_for_another_try(
    attempt: int, remaining: float, share: float
) -> None:
    """Never more than a quarter of what is left, or five minutes, or a second."""
    pause = backoff(attempt, remaining, share)
    assert 0.025 <= pause <= max(1.0, min(remaining / 4, 300))


@given(st.integers(1, 100), st.floats(0.0, 30 * 86400.0), SHARES)
def test_backoff_goes_on_when_nothing_valid_is_left(
    attempt: int, passed: float, share: float
) -> None:
    """Often at first, when somebody waits; then every half a minute."""
    assert 0.1 <= backoff(attempt, -passed, share) <= max(1.0, min(passed / 4, 30))


@given(st.floats(0.0, 1.0, exclude_max=True), st.integers(1, 40))
def test_the_last_seconds_are_not_spent_on_calls_alone(share: float, n: int) -> None:
    """A quarter of ever less would be a hundred calls a second at the end."""
    assert backoff(20, 10.0 / n, share) >= 0.1


@given(st.integers(0, 2**32))
def test_an_outage_costs_an_issuer_a_bounded_number_of_calls(seed: int) -> None:
    """From the start of a 15-minute lease's window to ten minutes past its end."""
    chance = Random(seed)
    left, tries = 300.0, 0
    while left > -600.0:
        tries += 1
        left -= backoff(tries, left, chance.random())
    assert tries <= 150


@given(SHARES)
def test_those_who_wait_ten_seconds_past_the_end_see_some_tries(share: float) -> None:
    """However many failures there were before it."""
    left, tries = 0.0, 0
    while left > -10.0:
        tries += 1
        left -= backoff(30, left, share)
    assert tries >= 5


@given(LIFETIMES, st.floats(0, 1))
def test_a_capped_renewal_is_recognised(life: float, gained: float) -> None:
    """A tenth of the lifetime is the border."""
    before, after = terms(life), terms(life + gained * life)
    assert gained_too_little(before, after) == (
        after.deadline - before.deadline < life / 10
    )


@given(st.floats(-10, 1e6))
def test_a_call_may_take_half_of_what_is_left(remaining: float) -> None:
    """Between one and ten seconds; ten when there is nothing left to lose."""
    assert 1 <= call_timeout(remaining) <= 10
    if remaining > 0:
        assert call_timeout(remaining) <= max(1, remaining / 2)


@given(LIFETIMES, st.text())
def test_the_last_call_comes_after_renewal_has_begun(life: float, key: str) -> None:
    """A first failure with time to spare is no end; and some life is left to save."""
    for renewable in (False, True):
        begun = life - renewal_due(terms(life, renewable=renewable), key)
        assert 0 < last_call(life) < begun


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e9), st.floats(0.001, 30 * 86400.0))
def test_a_pause_asked_for_is_kept_but_never_past_half_of_what_is_left(
    pause: float, asked: float, left: float
) -> None:
    """An issuer that asks for an hour must not make a lease sleep through its end."""
    got = pause_as_asked(pause, asked, left)
    assert got >= pause
    assert got <= max(pause, left / 2, 1.0)
    if asked <= max(left / 2, 1.0):
        assert got >= asked


@given(st.floats(-1e6, 30 * 86400.0))
def test_a_refusal_is_asked_again_a_few_times_only(left: float) -> None:
    """Never at once, and at most every half of what is left."""
    pause = pause_after_refusal(left)
    assert pause >= 1.0
    assert pause <= 300.0
    tries = 0
    while left > 1.0:
        left -= pause_after_refusal(left)
        tries += 1
    assert tries <= 30 * 86400 / 300 + 20


@given(st.integers(1, 10**6))
def test_rejections_are_believed_less_and_less_often(count: int) -> None:
    """Up to every five minutes."""
    assert rejection_pause(count) <= rejection_pause(count + 1) <= 300.0
    assert rejection_pause(count) >= 1.0
