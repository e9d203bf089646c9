"""What a readiness probe learns of leases, in the process that owns them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack
from mlsecrets_serving._ready import lease_states


@pytest.fixture
def stack(mlsecrets_stack: DevStack) -> DevStack:
    """The stack, and this process configured for it."""
    configure(mlsecrets_stack.manifest_path)
    return mlsecrets_stack


def test_a_lease_is_valid_for_as_long_as_its_block(stack: DevStack) -> None:
    """And one that nobody has opened is not, whatever else is open."""
    with lease("train-data"):
        data, other = lease_states("train-data", "checkpoints")
        assert data.valid
        assert 0 < data.seconds_left <= stack.ttl
        assert not data.doomed
        assert not data.problem
        assert not other.valid
        assert other.problem == "NotLeased"
    (after,) = lease_states("train-data")
    assert not after.valid
    assert after.problem == "NotLeased"


def test_a_worker_whose_owner_is_gone_has_nothing_valid(
    stack: DevStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says so, and does not fail."""
    monkeypatch.setenv("MLSECRETS_SOCK", str(tmp_path / "socket"))
    (state,) = lease_states("train-data")
    assert not state.valid
    assert state.problem == "OwnerGone"
