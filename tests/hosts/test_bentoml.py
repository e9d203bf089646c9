"""A service of a real BentoML server, in two workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bentoml", "1.4")

import requests

from mlsecrets.devstack import DevStack
from tests.hosts.conftest import Serve
from tests.hosts.server import OBJECT, PATIENCE, SCOPE, free_port, wait_for

SERVICE = f"""
import os
import bentoml, fsspec
from mlsecrets_serving.bentoml import leased

@bentoml.service(workers=2)
@leased("{SCOPE}")
class Digits:
    def __init__(self) -> None:
        self.weights = self.read()

    def read(self) -> str:
        with fsspec.open("s3://{OBJECT}") as file:
            return file.read().decode()

    @bentoml.api
    def predict(self) -> dict:
        terms = self.leases["{SCOPE}"].snapshot().terms
        return dict(
            pid=os.getpid(), content=self.read(), generation=terms.generation
        )

    @bentoml.on_shutdown
    def save(self) -> None:
        with open("saved", "a") as file:
            print(os.getpid(), self.read(), file=file)

    def __is_ready__(self) -> bool:
        return not os.path.exists("not-ready")
"""


def ask(address: str) -> Mapping[str, Any]:
    """A call of the service's method, and its answer."""
    answer = requests.post(f"{address}/predict", json={}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_workers_read_the_leases_of_the_process_that_started_them(
    serve: Serve, folder: Path, platform: DevStack
) -> None:
    """From before `__init__` until after the service's own hooks at the end."""
    (folder / "digits.py").write_text(SERVICE)
    port = free_port()
    server = serve(
        *("bentoml", "serve", "digits:Digits"),
        *("--host", "127.0.0.1", "--port", str(port)),
        port=port,
        ready="/readyz",
        ask=ask,
        extra={"BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "True"},
    )
    server.await_ready()
    workers = server.await_workers(2)
    server.await_rotation()
    assert server.owners() == {server.process.pid}
    assert server.process.pid not in workers
    with platform.away("openbao"):
        wait_for(lambda: not server.ready(), "a lease that has expired is told")
    server.await_ready()
    (folder / "not-ready").touch()
    assert not server.ready()  # what the service itself says counts, too
    assert server.terminate() == 0, server.said()
    saved = (folder / "saved").read_text().splitlines()
    assert {int(line.split()[0]) for line in saved} == workers
    assert server.left_alive() == set()
    assert server.events("revoked")
