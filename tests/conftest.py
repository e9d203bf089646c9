"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlsecrets import _current, configure

pytest_plugins = ["mlsecrets.testing.plugin"]


@pytest.fixture(scope="session")
def mlsecrets_stack_options() -> Mapping[str, Any]:
    """Ten-second credentials, and an administrator to prepare odd cases with."""
    return {"ttl": 10, "ops": True}


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of one test's leases reaches the next."""
    for name in ("MLSECRETS_CONFIG", "MLSECRETS_JOURNAL"):
        monkeypatch.delenv(name, raising=False)
    yield
    session = _current.current()
    if session is not None:
        assert not session.busy, "a test left a lease open"
        configure()
