"""Models of a real MLServer, with a pool of workers and without one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlserver", "1.7")

import requests

from mlsecrets.devstack import DevStack
from tests.hosts.conftest import Serve
from tests.hosts.server import OBJECT, PATIENCE, SCOPE, Server, free_port, wait_for

MODEL = f"""
import json, os
import fsspec
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceResponse
from mlsecrets_serving.mlserver import LeasedModel

class Digits(LeasedModel, MLModel):
    scopes = ("{SCOPE}",)

    async def load(self):
        await super().load()
        self.weights = self.read()
        return True

    def read(self):
        with fsspec.open("s3://{OBJECT}") as file:
            return file.read().decode()

    async def predict(self, payload):
        terms = self.leases["{SCOPE}"].snapshot().terms
        told = dict(pid=os.getpid(), content=self.read(), generation=terms.generation)
        output = StringCodec.encode_output("told", [json.dumps(told)])
        return InferenceResponse(model_name=self.name, outputs=[output])
"""


def ask(address: str) -> Mapping[str, Any]:
    """An inference request of the Open Inference Protocol, and its answer."""
    inputs = [{"name": "x", "shape": [1], "datatype": "INT32", "data": [1]}]
    url = f"{address}/v2/models/digits/infer"
    answer = requests.post(url, json={"inputs": inputs}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = json.loads(answer.json()["outputs"][0]["data"][0])
    return told


def started(serve: Serve, folder: Path, workers: int, ready: str) -> Server:
    """An MLServer of so many workers."""
    port = free_port()
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": workers,
    }
    model = {"name": "digits", "implementation": "digits.Digits"}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / "digits.py").write_text(MODEL)
    server = serve("mlserver", "start", ".", port=port, ready=ready, ask=ask)
    server.await_ready()
    return server


def test_workers_share_one_owner(
    serve: Serve, folder: Path, platform: DevStack
) -> None:
    """They read by replaced credentials, and say when they have none."""
    leases = "/v2/models/digits/leases"
    server = started(serve, folder, 2, leases)
    workers = server.await_workers(2)
    server.await_rotation()
    assert len(server.owners()) == 1
    assert server.owners() < workers
    told = requests.get(server.address + leases, timeout=PATIENCE).json()
    assert told["leases"][SCOPE]["valid"]
    with platform.away("openbao"):
        wait_for(lambda: not server.ready(), "a lease that has expired is told")
    server.await_ready()
    server.await_rotation()
    assert server.terminate() == 0, server.said()
    assert server.left_alive() == set()
    assert server.events("revoked")


def test_without_a_pool_readiness_is_that_of_the_server(
    serve: Serve, folder: Path, platform: DevStack
) -> None:
    """The Open Inference Protocol's own answer; unloading a model ends its leases."""
    server = started(serve, folder, 0, "/v2/health/ready")
    server.await_rotation()
    assert server.owners() == {server.process.pid}
    with platform.away("openbao"):
        wait_for(lambda: not server.ready(), "a lease that has expired is told")
    server.await_ready()
    repository = f"{server.address}/v2/repository/models/digits"
    for verb in ("unload", "load"):
        assert requests.post(f"{repository}/{verb}", timeout=PATIENCE).ok
        alive = server.left_alive()
        assert len(alive) == (1 if verb == "load" else 0), (verb, server.said())
    server.await_ready()
    assert server.terminate() == 0, server.said()
    assert server.left_alive() == set()
