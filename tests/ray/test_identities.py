"""Which node leases as whom is said, and never guessed."""

from __future__ import annotations

import pytest

from mlsecrets import errors
from mlsecrets_ray._identities import Identities
from mlsecrets_ray._nodes import Node

NODE = Node("c0ffee", "10.0.0.7", "gpu-7", frozenset({"CPU", "a100"}), {"zone": "west"})


@pytest.mark.parametrize("key", ["c0ffee", "10.0.0.7", "gpu-7", "a100", "zone=west"])
def test_a_node_is_meant_by_what_ray_knows_of_it(key: str) -> None:
    """Its id, address, host name, a resource of its own, or a label."""
    identities = Identities.of({key: "/etc/one.toml"}, "/etc/other.toml")
    assert identities.of_node(NODE) == "/etc/one.toml"


@pytest.mark.parametrize("key", ["c0ff", "10.0.0", "zone", "zone=east", "west"])
def test_another_node_gets_the_manifest_of_all(key: str) -> None:
    """Half of a name is not that name."""
    identities = Identities.of({key: "/etc/one.toml"}, "/etc/other.toml")
    assert identities.of_node(NODE) == "/etc/other.toml"


def test_a_node_that_is_not_meant_is_refused_if_there_is_no_other_manifest() -> None:
    """A new node does not get somebody's identity by accident."""
    identities = Identities.of({"a-name": "/etc/one.toml"}, None)
    with pytest.raises(errors.IdentityError, match=r"10\.0\.0\.7 .* has no identity"):
        identities.of_node(NODE)


def test_a_node_with_two_identities_is_refused() -> None:
    """Unless both say the same."""
    with pytest.raises(errors.IdentityError, match="several identities: a100, gpu-7"):
        Identities.of({"a100": "/1.toml", "gpu-7": "/2.toml"}, None).of_node(NODE)
    same = Identities.of({"a100": "/1.toml", "gpu-7": "/1.toml"}, None)
    assert same.of_node(NODE) == "/1.toml"


def test_without_a_word_each_node_finds_its_own() -> None:
    """By its environment, as `lease` does."""
    assert Identities.of(None, None).of_node(NODE) is None


def test_a_relative_path_is_refused() -> None:
    """It would be looked for in a working directory that Ray chooses."""
    with pytest.raises(ValueError, match="absolute path"):
        Identities.of({"a": "etc/one.toml"}, None)
    with pytest.raises(ValueError, match="absolute path"):
        Identities.of(None, "one.toml")
