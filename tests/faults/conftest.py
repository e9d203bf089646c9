"""Servers behind faults: a plain one for the proxy's own tests, the real ones."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterator

import pytest

from mlsecrets.devstack import DevStack
from tests.faults.bao import Bao
from tests.faults.echo import Echo
from tests.faults.proxy import FaultProxy
from tests.faults.secrecy import Secrecy
from tests.faults.store import Store


@pytest.fixture(scope="module")
def upstream() -> Iterator[Echo]:
    with Echo() as server:
        yield server


@pytest.fixture
def proxy(upstream: Echo) -> Iterator[FaultProxy]:
    upstream.asked.clear()
    with FaultProxy(upstream.address) as made:
        yield made


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bao(
    mlsecrets_stack: DevStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bao]:
    """The real OpenBao, and two lines to it that can be broken."""
    with Bao(mlsecrets_stack, tmp_path_factory.mktemp("bao")) as made:
        yield made


@pytest.fixture(scope="module")
def store(
    mlsecrets_stack: DevStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """The real STS and revoker, and lines to them that can be broken."""
    with Store(mlsecrets_stack, tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture
def secrecy(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Secrecy]:
    """Fails the test if a secret that crossed the proxy was said anywhere."""
    caplog.set_level(logging.DEBUG)
    watching = Secrecy(caplog)
    watching.watch(monkeypatch)
    yield watching
    watching.check()
