"""From events to lives."""

from __future__ import annotations

from typing import Any

import pytest

from mlsecrets.timeline._lives import rows
from tests.timeline.lines import event


def test_credentials_are_in_use_until_the_next_take_over() -> None:
    """The next generation's begin is the end of the use of the one before."""
    [row] = rows([event("issued", 0), event("replaced", 6, generation=2)])
    first, second = row.lives
    assert (first.start, first.in_use_until, first.end) == (0, 6, 10)
    assert (second.start, second.in_use_until, second.end) == (6, 16, 16)


def test_a_revoked_life_ends_when_it_was_revoked() -> None:
    """Revoking cuts a life short of its expiry, and says so."""
    [row] = rows([event("issued", 0), event("revoked", 4, generation=1)])
    [life] = row.lives
    assert (life.in_use_until, life.end, life.fate) == (4, 4, "revoked")


def test_what_ends_at_its_ttl_is_no_longer_used_and_lives_on() -> None:
    """Only a revocation shortens a life; its use ends with the block."""
    [row] = rows([event("issued", 0), event("ends_at_ttl", 4, generation=1)])
    [life] = row.lives
    assert (life.in_use_until, life.end, life.fate) == (4, 10, "ends at TTL")


def test_a_renewal_prolongs_the_same_life() -> None:
    """Renewed credentials are not new ones."""
    [row] = rows([event("issued", 0), event("renewed", 7), event("renewed", 14)])
    [life] = row.lives
    assert (life.end, life.in_use_until, life.renewals) == (24, 24, [7, 14])


def test_a_lease_that_begins_anew_leaves_the_former_lives_alone() -> None:
    """A decorated function leases at each call, and counts from 1 each time."""
    once = [event("issued", 0), event("revoked", 2, generation=1)]
    [row] = rows([*once, event("issued", 5), event("revoked", 9, generation=1)])
    assert [(life.start, life.end) for life in row.lives] == [(0, 2), (5, 9)]


@pytest.mark.parametrize(
    ("after", "fates"),
    [
        (event("attached", 9, worker=2), ["open"]),
        (event("attached", 11, worker=2), ["lapsed"]),
        (event("replaced", 9, generation=2), ["open", "open"]),
        (event("replaced", 10.5, generation=2), ["ran out", "open"]),
    ],
)
def test_what_the_journal_says_of_no_end(
    after: dict[str, Any], fates: list[str]
) -> None:
    """Whoever lives where it ends is open; whoever nobody replaced has lapsed."""
    [row] = rows([event("issued", 0), after])
    assert [life.fate for life in row.lives] == fates


def test_doom_lasts_until_the_lease_goes_on_after_all() -> None:
    """The first word of it counts, and the next credentials end it."""
    lines = [event("issued", 0), event("doomed", 6), event("doomed", 7)]
    [row] = rows([*lines, event("renewed", 8)])
    assert row.lives[0].doomed == (6, 8)
    [row] = rows(lines)
    assert row.lives[0].doomed == (6, 10)


def test_processes_and_scopes_have_rows_of_their_own() -> None:
    """A job of several ranks writes one journal; what came first stands first."""
    lines = [event("issued", 0), event("issued", 1, pid=2), event("issued", 2, "other")]
    found = [(row.scope, row.pid) for row in rows(lines)]
    assert found == [("data", 1), ("data", 2), ("other", 1)]


def test_what_is_over_before_an_instant_is_left_out_and_the_rest_is_cut() -> None:
    """A lease that is renewed for days is in the last minute of its journal, too."""
    lines = [
        event("issued", 0, "old"),
        event("revoked", 4, "old", generation=1),
        event("issued", 0),
        event("renewed", 5, expires_at=500),
        event("doomed", 90),
        event("renewed", 95, expires_at=500),
        event("replaced", 110, generation=2, expires_at=500),
        event("renewal_failed", 120),
    ]
    [row] = rows(lines, since=100)
    first, second = row.lives
    assert (first.start, first.in_use_until, first.end) == (100, 110, 500)
    assert (first.renewals, first.doomed) == ([], None)
    assert second.start == 110
    assert [mark.kind for mark in row.marks] == ["renewal_failed"]
    assert (row.counts["issued"], row.counts["renewed"]) == (1, 0)
    [row] = rows(lines, since=92)
    assert row.lives[0].doomed == (92, 95)
    assert row.lives[0].renewals == [95]


def test_what_began_before_the_journal_is_no_life() -> None:
    """There is nothing to draw of it, and nothing to stumble over."""
    lines = [event("renewed", 1), event("revoked", 2, generation=1), event("doomed", 3)]
    [row] = rows(lines)
    assert (row.lives, [mark.kind for mark in row.marks]) == ([], ["doomed"])
