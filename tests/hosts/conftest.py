"""One real stack for the servers of this folder, with an object that models read.

The hosts need other versions of libraries than the rest of the tests: ``make
test-hosts`` runs these in environments of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mlsecrets.devstack import DevStack
from tests.hosts.server import OBJECT, WEIGHTS, Server

Serve = Callable[..., Server]

#: Seconds that each credential lives: replaced after half of it, about.
TTL = 4.0


@pytest.fixture(scope="session")
def platform() -> Iterator[DevStack]:
    """A stack, and the object in its store."""
    with DevStack(ttl=TTL) as running:
        store = running.admin_s3()
        bucket, key = OBJECT.split("/", 1)
        store.put_object(Bucket=bucket, Key=key, Body=WEIGHTS)
        store.close()
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a server runs: pytest's own folders have too long a name for sockets."""
    with TemporaryDirectory(prefix="mls-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def serve(platform: DevStack, folder: Path) -> Iterator[Serve]:
    """Starts a server; all of its processes end with the test."""
    started: list[Server] = []

    def begin(*command: str, **options: Any) -> Server:
        started.append(Server(list(command), platform, folder, **options))
        return started[-1]

    yield begin
    for server in started:
        server.close()
