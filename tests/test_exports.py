"""The front door holds exactly these names, and each of them opens."""

from __future__ import annotations

import inspect

import pytest

import mlsecrets

NAMES = [
    "AWSCredentials",
    "BearerToken",
    "Bundle",
    "Credentials",
    "EndedGrant",
    "Event",
    "ExitReport",
    "Fate",
    "Grant",
    "Lease",
    "MLSecretsError",
    "Outcome",
    "Receipt",
    "Reference",
    "ScopeView",
    "Terms",
    "UsernamePassword",
    "configure",
    "hand_over",
    "hold",
    "join",
    "lease",
    "open_scopes",
    "receipts",
    "refuse_secrets",
    "release",
]


def test_all_is_sorted_and_exact() -> None:
    """`__all__` is the whole of what users may import, classes first."""
    assert mlsecrets.__all__ == NAMES
    assert sorted(NAMES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_resolves(name: str) -> None:
    """A name in `__all__` is an object with something to say about itself."""
    exported = getattr(mlsecrets, name)
    assert name in dir(mlsecrets)
    if inspect.isclass(exported) or inspect.isfunction(exported):
        assert exported.__doc__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """Laziness does not change what a typing mistake looks like."""
    with pytest.raises(AttributeError, match="leese"):
        mlsecrets.leese  # noqa: B018
