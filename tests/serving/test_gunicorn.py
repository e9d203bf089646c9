"""The master owns the leases, and its workers read them, by the real gunicorn."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.conftest import ROOT, Server, Start, is_running, under_load, wait_for

GUNICORN = (
    "gunicorn",
    "--config",
    str(ROOT / "tests" / "serving" / "gunicorn.conf.py"),
    "--bind",
    "127.0.0.1:{port}",
    "--workers",
    "2",
    "--log-level",
    "warning",
)
ASGI = ("--worker-class", "uvicorn_worker.UvicornWorker")


def _reload(server: Server, before: set[int]) -> None:
    server.send(signal.SIGHUP)
    wait_for(lambda: not any(map(is_running, before)), "the old ones have ended")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--worker-class", "gthread", "--threads", "2", "tests.serving.apps:wsgi"),
        (*ASGI, "tests.serving.apps:app"),
    ],
    ids=["wsgi", "asgi"],
)
def test_workers_are_replaced_under_load(
    start: Start, arguments: tuple[str, ...]
) -> None:
    """One login for all of them, and no request fails; revoked after the last one."""
    server = start(*GUNICORN, *arguments).await_ready()
    before = server.workers(2)
    tally = under_load(server, lambda: _reload(server, before))
    assert tally.failures == [], server.said()[-4000:]
    assert tally.workers & before
    assert tally.workers - before
    assert server.logins() == 1
    assert server.end() == 0
    assert server.left_alive() == set()
    assert server.events("revoked")


def test_preloaded_applications_read_what_the_master_leased(start: Start) -> None:
    """Although the application was imported, and its lease named, before the fork."""
    server = start(*GUNICORN, "--preload", "tests.serving.apps:wsgi").await_ready()
    assert server.pid not in server.workers(2)
    assert server.logins() == 1
    assert server.end(signal.SIGQUIT) == 0
    assert server.left_alive() == set()


def test_a_killed_worker_is_followed_by_one_that_reads(start: Start) -> None:
    """The master holds the leases; they outlive the worker."""
    server = start(*GUNICORN, "tests.serving.apps:wsgi").await_ready()
    (killed, *_) = server.workers(2)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: not is_running(killed), "it has ended")
    assert killed not in server.workers(2)
    assert server.logins() == 1


def test_a_master_that_gets_no_lease_ends(
    start: Start, edited: Callable[[str, str], Path]
) -> None:
    """Before a worker is there; it says why, and what to do."""
    manifest = edited("/role-id", "/no-role-id")
    server = start(*GUNICORN, "tests.serving.apps:wsgi", MLSECRETS_CONFIG=str(manifest))
    assert server.process.wait(60) == 1
    assert "IdentityError: " in server.said()
    assert "what to do: " in server.said()
