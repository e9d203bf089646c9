"""Leases of an issuer that stops where it is told to, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlsecrets import _current, _tenant, configure
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._stack import Stack
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.testing import FakeIssuer
from tests.broker.owner import Owner
from tests.forks.children import Stop

MANIFEST = """
api = "mlsecrets/v1"
name = "forks"
version = "1.0.0"

[identities.job]
kind = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"

[issuers.bao]
kind = "openbao"
address = "http://127.0.0.1:1"
identity = "job"

[scopes.data]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "identity/oidc/token/data"
ttl = "10m"
max_ttl = "1h"
access = ["use https://mlflow.example.org"]
workers = true
"""


class StoppingIssuer(FakeIssuer):
    """Stops in the middle of the calls that it is told to.

    Attributes:
        stops: where, by the name of the call.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(SYSTEM_CLOCK, **options)
        self.stops: dict[str, Stop] = {}

    def _called(self, call: str, scope: str) -> None:
        super()._called(call, scope)
        stop = self.stops.pop(call, None)
        if stop is not None:
            stop()

    def stop_at(self, call: str) -> Stop:
        """Have the next call of that name stop."""
        stop = self.stops[call] = Stop()
        return stop


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    """Serves one lease, without a session."""
    made = Owner()
    monkeypatch.setenv(ENVIRONMENT, str(made.broker.path))
    yield made
    made.close()


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StoppingIssuer]:
    """Of the scope ``data``, which this process may lease."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    made = StoppingIssuer()
    monkeypatch.setattr(Stack, "issuer", lambda stack, name: made)
    path = tmp_path / "mlsecrets.toml"
    path.write_text(MANIFEST)
    configure(path)
    yield made
    assert not _tenant.tenant().busy
    session = _current.current()
    assert session is None or not session.busy
    configure()
