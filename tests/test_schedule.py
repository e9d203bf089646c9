"""When to renew: laws that hold for every lifetime."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets._schedule import (
    backoff,
    call_timeout,
    catching_up,
    head_start,
    jitter,
    last_call,
    pause_after_refusal,
    pause_as_asked,
    pause_when_crowded,
    rejection_pause,
    renewal_due,
    was_cut,
    window,
    would_be_cut,
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


@given(LIFETIMES, st.text(), st.booleans(), SHARES)
def test_an_early_renewal_is_neither_at_once_nor_worthless(
    life: float, key: str, renewable: bool, ahead: float
) -> None:
    """However far ahead: a quarter of the wait passes, and more than a tenth is won."""
    granted = terms(life, renewable=renewable)
    due, usual = renewal_due(granted, key, ahead), renewal_due(granted, key)
    assert usual / 4 * 0.999 <= due <= usual
    renewed = terms(life, renewable=renewable, now=due)
    assert not was_cut(granted, renewed)


def test_the_first_renewals_of_a_job_are_spread_over_three_quarters() -> None:
    """Of a wait; none of its tenths has twice its share. Hosts are numbered."""
    dues = [
        renewal_due(terms(3600), key, head_start(key))
        for key in (f"train:gpu-{number:04d}:0" for number in range(2000))
    ]
    usual = 3600 - window(3600)
    tenths = [0] * 10
    for due in dues:
        tenths[min(int((due - usual / 4) / (usual * 3 / 4) * 10), 9)] += 1
    assert min(tenths) > 100
    assert max(tenths) < 400


@given(st.text())
def test_where_a_process_starts_says_nothing_of_how_long_its_waits_are(
    key: str,
) -> None:
    """Both are its own at every call."""
    assert 0 <= head_start(key) < 1
    assert head_start(key) == head_start(key)


def test_both_shares_of_numbered_hosts_are_independent() -> None:
    """With a checksum for a hash, one was the other turned around."""
    keys = [f"train:gpu-{number:05d}:0" for number in range(2000)]
    both = [(jitter(key) - 0.5) * (head_start(key) - 0.5) for key in keys]
    assert abs(sum(both) / len(both) * 12) < 0.15


@given(LIFETIMES, st.text(), st.booleans(), SHARES, st.floats(0.0, 1.0))
def test_who_is_in_time_has_nothing_to_catch_up(
    life: float, key: str, renewable: bool, ahead: float, part: float
) -> None:
    """Nor has who comes early: a reader made sure of a long transfer."""
    granted = terms(life, renewable=renewable)
    now = part * renewal_due(granted, key, ahead)
    assert catching_up(granted, key, ahead, now) == 0.0


@given(LIFETIMES, st.text(), st.booleans(), SHARES, st.floats(0.0, 1e6))
def test_what_is_caught_up_is_a_share(
    life: float, key: str, renewable: bool, ahead: float, late: float
) -> None:
    """However long the outage."""
    granted = terms(life, renewable=renewable)
    now = renewal_due(granted, key, ahead) + late
    assert 0.0 <= catching_up(granted, key, ahead, now) < 1.0


def test_a_life_of_no_length_has_nothing_to_catch_up() -> None:
    """OpenBao may give one at the maximum."""
    assert catching_up(terms(0.0, renewable=True), "key", 0.0, 5.0) == 0.0


@pytest.mark.parametrize("outage", [600.0, 2000.0, 86400.0])
@pytest.mark.parametrize("renewable", [False, True])
def test_the_end_of_an_outage_does_not_bring_processes_into_step(
    outage: float, renewable: bool
) -> None:
    """All get theirs at its end; their next ones come as spread as those before it."""
    chance, dues = Random(1), []
    for number in range(2000):
        granted = terms(900, renewable=renewable, now=chance.random() * 600)
        key, end = f"gpu-{number}", 1100 + outage
        late = catching_up(granted, key, 0.0, end)
        dues.append(renewal_due(terms(900, renewable=renewable), key, late))
    tenths = [0] * 10
    for due in dues:
        tenths[min(int((due - 140) / (690 - 140) * 10), 9)] += 1
    assert max(tenths) <= 1.7 * 200


@given(LIFETIMES, st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_what_would_be_cut_is_replaced_a_whole_life_before_the_maximum(
    life: float, now: float, left: float
) -> None:
    """And not before: a renewal that gives all of it is made."""
    assert would_be_cut(terms(life), now, now + life + left) is False
    assert would_be_cut(terms(life), now, now + life * 0.99) is True


@given(st.integers(1, 100), st.floats(0.001, 30 * 86400.0), LIFETIMES, SHARES)
def test_a_crowded_issuer_is_asked_again_while_the_credentials_live(
    attempt: int, remaining: float, life: float, share: float
) -> None:
    """After at most half of what is left, five minutes, or a second."""
    pause = pause_when_crowded(attempt, remaining, life, share)
    assert 0.1 <= pause <= max(1.0, min(remaining / 2, 300.0))


@given(st.integers(1, 100), st.floats(0.0, 1e6), LIFETIMES, SHARES)
def test_a_crowded_issuer_is_left_in_peace_for_a_part_of_a_life(
    attempt: int, passed: float, life: float, share: float
) -> None:
    """Past its end, when many tries have failed; a first one comes soon."""
    pause = pause_when_crowded(attempt, -passed, life, share)
    assert 0.1 <= pause <= max(1.0, min(life / 4, 300.0, 2.0 ** min(attempt - 1, 16)))


def test_a_crowd_is_served_faster_than_it_asks() -> None:
    """A thousand wait for an issuer that serves ten a second: few calls are wasted."""
    chance = Random(1)
    waiting = [(chance.random() * 30, 9) for _ in range(1000)]
    served, calls, saved, before = 0, 0, 10.0, 0.0
    heapify(waiting)
    while waiting:
        now, attempt = heappop(waiting)
        calls += 1
        saved, before = min(saved + (now - before) * 10, 10.0), now
        if saved >= 1.0:
            served, saved = served + 1, saved - 1.0
        else:
            pause = pause_when_crowded(attempt, -200.0, 900.0, chance.random())
            heappush(waiting, (now + pause, attempt + 1))
    assert served == 1000
    assert calls < 3000


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


@given(LIFETIMES, st.floats(0, 2))
def test_a_renewal_that_gives_less_than_was_asked_for_has_met_its_maximum(
    life: float, given: float
) -> None:
    """Nine tenths are the border, of the life before or of what was asked for."""
    before = terms(life)
    after = terms(life * given, now=life * 0.6)
    assert was_cut(before, after) == (after.lifetime < 0.9 * life)


@given(LIFETIMES, st.floats(0, 1))
def test_a_renewal_that_gains_nothing_is_cut_whatever_it_calls_itself(
    life: float, gained: float
) -> None:
    """A tenth of the lifetime is the border."""
    before, after = terms(life), terms(life, now=gained * life)
    gain = after.deadline - before.deadline
    assert was_cut(before, after) == (gain < life / 10)


def test_a_first_life_that_was_longer_than_what_is_asked_for_is_no_maximum() -> None:
    """A role grants an hour, the manifest asks for renewals of 40 minutes."""
    before, after = terms(3600), terms(2400, now=2400)
    assert not was_cut(before, after, asked=2400)
    assert was_cut(before, after)


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
