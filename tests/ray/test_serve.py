"""Replicas of Ray Serve load from a leased address, and go on through updates."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("fastapi")

import requests
from _ray.cluster import SmallCluster

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Serve's, of pydantic 2, when it is imported
    from _ray.serving import Digits
    from ray import serve

from mlsecrets.devstack import DevStack
from mlsecrets_ray import leased

SCOPE = "train-data"


@pytest.fixture(scope="module")
def address(cluster: SmallCluster) -> Iterator[str]:
    """Of Serve's proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(
        proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port}
    )
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def logins_at(stack: DevStack) -> int:
    """How many there were."""
    return stack.openbao.audit_log.read_text().count("auth/approle/login")


def deploy(version: str, path: str, **options: Any) -> None:
    """Two replicas of a version, instead of those of another."""
    deployment = serve.deployment(Digits).options(
        num_replicas=2,
        ray_actor_options={"num_cpus": 0.1, "resources": {"a": 0.01}},
        user_config={"greeting": "good day"},
        health_check_period_s=0.5,
        **options,
    )
    serve.run(deployment.bind(version, f"s3://{path}", SCOPE))


class Load:
    """Requests from several threads, one after the other, until it is left."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._ended = threading.Event()
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]
        #: How many answers came, by version and process.
        self.answers: Counter[tuple[str, int]] = Counter()
        self.failed: list[str] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._ended.is_set():
                try:
                    answer = session.get(self._address, timeout=30)
                    answer.raise_for_status()
                    told = answer.json()
                    with self._news:
                        self.answers[told["version"], told["pid"]] += 1
                        self._news.notify_all()
                except requests.RequestException as error:
                    self.failed.append(str(error))

    def until(self, version: str, *, but: set[int] | None = None) -> set[int]:
        """The processes of a version, once there are two that are not those others."""

        def found() -> set[int]:
            return {pid for v, pid in self.answers if v == version} - (but or set())

        with self._news:
            assert self._news.wait_for(lambda: len(found()) == 2, 60), self.answers
            return found()


def unhealthy() -> bool:
    """Whether no replica is left that serves."""
    (deployment,) = serve.status().applications["default"].deployments.values()
    return "RUNNING" not in deployment.replica_states


@pytest.mark.timeout(300)
def test_replicas_share_a_lease_and_follow_one_another(
    stack: DevStack, manifest: Path, journal: Path, address: str, paths: list[str]
) -> None:
    """A killed one's successor reads at once, an update loses no request.

    And no replica is healthy once its lease has ended.
    """
    before = len(journal.read_text().splitlines()) if journal.exists() else 0
    with leased(SCOPE, manifest=manifest, journal=str(journal)) as creds:
        logins = logins_at(stack)
        deploy("1", paths[0])
        first = requests.get(address, timeout=30).json()
        assert first["greeting"] == "good day"
        assert first["size"] > 0

        with Load(address) as load:
            killed = min(load.until("1"))
        assert load.failed == []
        os.kill(killed, signal.SIGKILL)
        with Load(address) as load:  # what the killed one was asked may fail
            old = load.until("1", but={killed})

        with Load(address) as load:
            load.until("1", but={killed})
            deploy("2", paths[1])
            new = load.until("2")
        assert load.failed == []
        assert not old & new
        assert logins_at(stack) == logins

    events = [json.loads(line) for line in journal.read_text().splitlines()[before:]]
    joined, left, revoked = (
        {e.get("worker", e["pid"]) for e in events if e["event"] == kind}
        for kind in ("joined", "left", "revoked")
    )
    assert joined >= {killed} | old | new  # Serve may have started others meanwhile
    assert left >= {killed} | old
    # Although replicas still held it, which go on asking.
    assert revoked >= {report.pid for report in creds.nodes}
    for _ in range(300):
        if unhealthy():
            break
        threading.Event().wait(0.1)
    assert unhealthy()
