"""An owner for each test, that workers find by the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlsecrets._broker._socket import ENVIRONMENT
from tests.broker.owner import Owner


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    made = Owner()
    monkeypatch.setenv(ENVIRONMENT, str(made.broker.path))
    yield made
    made.close()
