"""`MLSECRETS_KEEPER`: who owns the leases where `configure` does not say."""

from __future__ import annotations

import pytest

from mlsecrets import configure, errors, lease, open_scopes
from mlsecrets._current import Keeper
from mlsecrets._tenant import tenant
from mlsecrets.devstack import DevStack


@pytest.mark.parametrize(
    ("said", "variable", "kept"),
    [
        (None, "process", True),
        (None, "thread", False),
        (None, "", False),
        ("thread", "process", False),
        ("process", "thread", True),
        ("process", "fork", True),
    ],
)
def test_it_counts_where_nothing_else_is_said(
    stack: DevStack,
    monkeypatch: pytest.MonkeyPatch,
    said: Keeper | None,
    variable: str,
    kept: bool,
) -> None:
    """Also if it was set after `configure`, as notebooks do."""
    configure(stack.manifest_path, keeper=said)
    monkeypatch.setenv("MLSECRETS_KEEPER", variable)
    with lease("train-data") as data:
        assert tenant().busy == kept
        assert data.snapshot().terms.generation == 1


def test_a_wrong_one_is_named(stack: DevStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was expected, what came, what to do; nothing is held."""
    configure(stack.manifest_path)
    monkeypatch.setenv("MLSECRETS_KEEPER", "deamon")
    expected = 'MLSECRETS_KEEPER is "thread" or "process", got \'deamon\''
    with pytest.raises(errors.LeaseError, match=expected) as caught, lease("mlflow"):
        pass
    assert "unset it" in caught.value.diagnostics()
    assert open_scopes() == ()
    monkeypatch.delenv("MLSECRETS_KEEPER")
    with lease("train-data"):
        assert not tenant().busy
