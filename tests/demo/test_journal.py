"""Reading a journal back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from mlsecrets_demo import journal

Lines = list[dict[str, Any]]


def _event(name: str, at: float, **detail: Any) -> dict[str, Any]:
    return {"event": name, "scope": "a", "at": at, "pid": 1, **detail}


def test_every_issue_and_replacement_is_one_life(lines: Lines):
    """A scope has as many lives as it had credentials, numbered from 1."""
    found = journal.lives(lines)
    counts = journal.counts(lines)
    for scope in ("train-data", "checkpoints", "mlflow", "login:bao"):
        mine = [life.generation for life in found if life.scope == scope]
        made = counts[scope]["issued"] + counts[scope]["replaced"]
        assert sorted(mine) == list(range(1, made + 1))


def test_credentials_are_in_use_until_the_next_take_over(lines: Lines):
    """The next generation's begin is the end of the use of the one before."""
    mine = [life for life in journal.lives(lines) if life.scope == "train-data"]
    for life, following in pairwise(mine):
        assert life.in_use_until == following.start < life.end


def test_a_revoked_life_ends_when_it_was_revoked(lines: Lines):
    """Revoking cuts a life short of its expiry, and says so."""
    revoked = [line for line in lines if line["event"] == "revoked"]
    found = {(life.scope, life.generation): life for life in journal.lives(lines)}
    assert revoked
    for line in revoked:
        life = found[line["scope"], line["generation"]]
        assert (life.end, life.fate) == (line["at"], "revoked")


def test_a_renewal_prolongs_the_same_life():
    """Renewed credentials are not new ones."""
    [life] = journal.lives(
        [
            _event("issued", 0.0, generation=1, expires_at=10.0),
            _event("renewed", 7.0, generation=1, expires_at=17.0),
        ]
    )
    assert (life.end, life.in_use_until, life.renewals) == (17.0, 17.0, (7.0,))


def test_events_without_a_generation_are_no_lives():
    """Failures and workers that attach are counted, and begin nothing."""
    told = [_event("renewal_failed", 1.0), _event("attached", 2.0, worker=7)]
    assert journal.lives(told) == []
    assert journal.counts(told)["a"] == {"renewal_failed": 1, "attached": 1}


def test_no_journal_is_an_empty_one(tmp_path: Any):
    """A run that noted nothing has nothing to show."""
    assert journal.read(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("fate", ["expired", "ends_at_ttl"])
def test_what_ends_by_itself_lasts_to_its_expiry(fate: str):
    """Only a revocation shortens a life."""
    [life] = journal.lives(
        [
            _event("issued", 0.0, generation=1, expires_at=10.0),
            _event(fate, 5.0, generation=1),
        ]
    )
    assert life.end == 10.0
