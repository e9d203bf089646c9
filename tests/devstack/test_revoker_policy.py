"""The statements that end sessions: exactly one session each, and gone in time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.devstack._revoker_policy import deny, next_end, prune

ALPHA = "arn:aws:sts::assumed-role/data-reader/alpha"
BETA = "arn:aws:sts::assumed-role/data-reader/beta"
FOREIGN = {"Sid": "Ours", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}

arns = st.text("abcdef-", min_size=2, max_size=6).map(
    "arn:aws:sts::assumed-role/data-reader/{}".format
)


def denied(policy: dict[str, Any] | None) -> list[str]:
    """The principals that a policy refuses."""
    statements = policy["Statement"] if policy else []
    return [
        arn
        for item in statements
        if item["Effect"] == "Deny"
        for arn in item["Principal"]["AWS"]
    ]


def test_a_denial_names_one_session_and_everything_in_one_bucket() -> None:
    """The form that SeaweedFS matches at once: the ARN without an account id."""
    policy = deny(None, "datasets", ALPHA, 1795448595)
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": [ALPHA]}
    assert statement["Action"] == "s3:*"
    assert statement["Resource"] == ["arn:aws:s3:::datasets", "arn:aws:s3:::datasets/*"]
    assert statement["Sid"].startswith("mlsecretsUntil1795448595Session")
    assert statement["Sid"].isalnum()


def test_denying_again_moves_the_end() -> None:
    """One statement a session, however often it asks."""
    policy = deny(deny(None, "b", ALPHA, 100), "b", ALPHA, 200)
    assert denied(policy) == [ALPHA]
    assert prune(policy, 150.0) == policy
    assert prune(policy, 200.0) is None


def test_what_is_not_ours_stays() -> None:
    """Somebody else's statements are neither dropped nor counted."""
    policy = {"Version": "2012-10-17", "Id": "theirs", "Statement": [FOREIGN]}
    ours = deny(policy, "b", ALPHA, 100)
    assert ours["Id"] == "theirs"
    assert prune(ours, 1e12) == policy
    assert next_end([policy]) is None


def test_a_bare_statement_is_understood() -> None:
    """IAM allows one statement without its list."""
    policy = {"Version": "2012-10-17", "Statement": FOREIGN}
    assert deny(policy, "b", ALPHA, 100)["Statement"][0] == FOREIGN


@pytest.mark.parametrize(("now", "left"), [(99.0, 2), (100.0, 1), (200.0, 0)])
def test_a_denial_is_pruned_after_its_end(now: float, left: int) -> None:
    """Neither before, nor much later."""
    policy = deny(deny(None, "b", ALPHA, 100), "b", BETA, 200)
    assert len(denied(prune(policy, now))) == left


def test_the_next_end_is_the_earliest_of_all_buckets() -> None:
    """So that the revoker need not look before."""
    assert next_end([deny(None, "a", ALPHA, 200), deny(None, "b", BETA, 100)]) == 100
    assert next_end([None, None]) is None


@given(
    st.lists(st.tuples(arns, st.integers(0, 10_000)), max_size=12), st.floats(0, 1e4)
)
def test_exactly_the_sessions_that_can_still_live_are_denied(
    asked: list[tuple[str, int]], now: float
) -> None:
    """Whatever the order in which they came."""
    policy: dict[str, Any] | None = None
    ends: dict[str, int] = {}
    for arn, until in asked:
        policy = deny(policy, "b", arn, until)
        ends[arn] = until
    alive = {arn for arn, until in ends.items() if until > now}
    kept = denied(prune(policy, now))
    assert set(kept) == alive
    assert len(kept) == len(alive)
