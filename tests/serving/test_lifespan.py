"""Leases for as long as an ASGI application is served, by the real uvicorn."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import Server, Start, is_running, under_load, wait_for

UVICORN = ("uvicorn", "--port", "{port}", "--log-level", "warning")
#: Its supervisor gives up a restart after five seconds otherwise.
PATIENT = ("--timeout-worker-healthcheck", "60")


def test_from_before_the_first_request_until_after_the_last(start: Start) -> None:
    """The user's own lifespan is inside; a slow request is answered after SIGTERM."""
    server = start(*UVICORN, "tests.serving.apps:app").await_ready()
    assert server.told() == ["begins True"]
    server.read()
    ready = server.get("/ready")
    assert ready.json()["leases"]["train-data"]["valid"]
    slow: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: slow.append(server.get("/slow?seconds=1.5"))
    )
    asking.start()
    wait_for(lambda: "slow begins" in server.told(), "the request has begun")
    server.send(signal.SIGTERM)
    asking.join()
    assert slow[0].status_code == 200
    server.process.wait(60)
    assert server.told()[-1] == "ends True"
    assert server.left_alive() == set()
    assert server.events("revoked")


def test_it_does_not_start_without_a_lease(
    start: Start, edited: Callable[[str, str], Path]
) -> None:
    """Both kinds say why, and what to do."""
    manifest = edited("/role-id", "/no-role-id")
    servers = [
        start(*UVICORN, f"tests.serving.apps:{app}", MLSECRETS_CONFIG=str(manifest))
        for app in ("app", "wrapped")
    ]
    for server in servers:
        assert server.process.wait(60) == 3  # uvicorn's word for a failed start
        assert "IdentityError: " in server.said()
        assert "what to do: " in server.said()
        assert server.told() == []


def test_around_an_application_that_knows_nothing(start: Start) -> None:
    """It has no lifespan of its own, and is served on leases nevertheless."""
    server = start(*UVICORN, "tests.serving.apps:wrapped").await_ready()
    server.read()
    assert server.end() in {0, -signal.SIGTERM}
    assert server.left_alive() == set()
    assert server.events("revoked")


def test_workers_of_one_supervisor_share_an_owner(start: Start) -> None:
    """Two of uvicorn's, one login; SIGHUP replaces both under load, none fails."""
    server = start(
        *UVICORN, "--workers", "2", *PATIENT, "tests.serving.apps:app"
    ).await_ready()
    before = server.workers(2)
    assert server.logins() == 1
    tally = under_load(server, lambda: _restart(server, before))
    assert tally.failures == [], server.said()[-4000:]
    assert tally.workers & before
    assert tally.workers - before
    # Each owner that left handed over to one that stayed: it logged in.
    assert server.logins() <= 3
    assert server.end() == 0
    assert server.left_alive() == set()


def _restart(server: Server, before: set[int]) -> None:
    server.send(signal.SIGHUP)
    wait_for(lambda: not any(map(is_running, before)), "the old ones have ended")


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_what_cannot_be_meant_is_refused_at_once(names: tuple[str, ...]) -> None:
    """Not when the server starts."""
    from mlsecrets_serving import LeasedApp, Readiness, lifespan
    from tests.serving.apps import plain

    with pytest.raises((TypeError, ValueError)):
        lifespan(*names)
    with pytest.raises((TypeError, ValueError)):
        LeasedApp(plain, *names)
    with pytest.raises((TypeError, ValueError)):
        Readiness(*names)
