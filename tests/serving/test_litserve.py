"""LitServe's processes read what the one that starts them leases."""

from __future__ import annotations

import httpx
import pytest

from tests.serving.conftest import PATIENCE, Server, Start, is_running, wait_for


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, server.said()
    try:
        return server.get("/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(180)  # four processes that import torch
def test_its_workers_read_and_its_health_is_that_of_the_lease(start: Start) -> None:
    """One login; SIGTERM ends all of its processes, and then the lease."""
    server = start("tests.serving.litserve_app", "{port}")
    wait_for(lambda: _answers(server), "it is healthy")
    address = f"http://127.0.0.1:{server.port}/predict"
    pids = set()
    for number in range(8):
        answer = httpx.post(
            address, json={"number": number}, timeout=PATIENCE, trust_env=False
        )
        assert answer.status_code == 200, answer.text + server.said()
        pids.add(int(answer.json()["read"].split()[0]))
    assert server.pid not in pids
    assert server.logins() == 1
    server.end()
    assert server.left_alive() == set()
    assert server.events("revoked")
    wait_for(lambda: not any(map(is_running, pids)), "its workers have ended")
