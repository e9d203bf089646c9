"""A model of a real KServe server, loaded in one process and served in two others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kserve")

import requests

from mlsecrets.devstack import DevStack
from tests.hosts.conftest import Serve
from tests.hosts.server import OBJECT, PATIENCE, SCOPE, Server, free_port, wait_for

MODEL = f"""
import os
import fsspec
from kserve import Model, ModelServer
from mlsecrets_serving.kserve import LeasedModel

class Digits(LeasedModel, Model):
    scopes = ("{SCOPE}",)

    def load(self) -> bool:
        super().load()
        self.weights = self.read()
        return self.ready

    def read(self) -> str:
        with fsspec.open("s3://{OBJECT}") as file:
            return file.read().decode()

    def predict(self, payload, headers=None):
        terms = self.leases["{SCOPE}"].snapshot().terms
        told = dict(pid=os.getpid(), content=self.read(), generation=terms.generation)
        return dict(predictions=[told])

if __name__ == "__main__":
    model = Digits("digits")
    model.load()
    ModelServer().start([model])
"""

READY = "/v2/models/digits/ready"


def ask(address: str) -> Mapping[str, Any]:
    """A request of KServe's first protocol, and its answer."""
    url = f"{address}/v1/models/digits:predict"
    answer = requests.post(url, json={"instances": [1]}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["predictions"][0]
    return told


def started(serve: Serve, folder: Path, workers: int) -> Server:
    """A server of so many workers. It listens on all addresses: KServe insists."""
    (folder / "digits.py").write_text(MODEL)
    port = free_port()
    server = serve(
        *("python", "digits.py", "--enable_grpc", "False"),
        *("--http_port", str(port), "--workers", str(workers)),
        port=port,
        ready=READY,
        ask=ask,
    )
    server.await_ready()
    return server


def test_workers_read_the_leases_of_the_process_that_loaded_the_model(
    serve: Serve, folder: Path, platform: DevStack
) -> None:
    """Which travels to them by pickle; they refuse requests that they have none for."""
    server = started(serve, folder, 2)
    workers = server.await_workers(2)
    server.await_rotation()
    assert server.owners() == {server.process.pid}
    assert server.process.pid not in workers
    with platform.away("openbao"):
        wait_for(lambda: not server.ready(), "a lease that has expired is told")
        url = f"{server.address}/v1/models/digits:predict"
        refused = requests.post(url, json={"instances": [1]}, timeout=PATIENCE)
        assert refused.status_code == 503
    # The other worker may have looked up to a second earlier.
    wait_for(lambda: all(server.ready() for _ in range(8)), "both are ready again")
    assert server.await_workers(2) == workers
    assert server.terminate() == 0, server.said()
    assert server.left_alive() == set()
    assert server.events("revoked")


def test_a_model_that_is_unloaded_gives_its_leases_back(
    serve: Serve, folder: Path
) -> None:
    """Without ending the server, which has one process here."""
    server = started(serve, folder, 1)
    server.await_rotation()
    assert server.owners() == {server.process.pid}
    unload = f"{server.address}/v2/repository/models/digits/unload"
    assert requests.post(unload, timeout=PATIENCE).ok
    wait_for(lambda: not server.left_alive(), "its leases have ended")
    assert server.events("revoked")
    assert server.terminate() == 0, server.said()
