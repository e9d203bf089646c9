"""Fresh bytes objects can be zeroed in place, shared ones are left alone."""

from __future__ import annotations

import os
import sys

import pytest

from mlsecrets.memory import wipe_own_bytes


@pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="other objects, other layouts"
)
def test_fresh_bytes_become_zeros() -> None:
    """The object that a hash returned holds nothing afterwards."""
    digest = os.urandom(32)
    assert wipe_own_bytes(digest)
    assert list(digest) == [0] * 32


@pytest.mark.parametrize("shared", [b"", b"x"])
def test_bytes_that_the_interpreter_shares_are_left_alone(shared: bytes) -> None:
    """One-byte objects are everybody's."""
    assert not wipe_own_bytes(shared)
    assert bytes([120]) == b"x"
