"""An owner for each test, that workers find by the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlsecrets._broker import attach
from mlsecrets._broker._place import Place
from mlsecrets._broker._socket import ENVIRONMENT
from tests.broker.children import Child
from tests.broker.owner import Owner


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    made = Owner()
    monkeypatch.setenv(ENVIRONMENT, str(made.broker.path))
    # What is read by name is kept for the process, and is not for the next test.
    monkeypatch.setattr(attach, "_attachments", {})
    yield made
    made.close()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts processes, and ends those that still run after the test."""
    started: list[Child] = []

    def start(code: str, folder: Path, *arguments: object) -> Child:
        started.append(Child(code, folder, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which places are made, and nobody else's lie; short, as they need."""
    with TemporaryDirectory(prefix="mls-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr("mlsecrets._broker._place._reserved", None)
        yield Path(folder)


@pytest.fixture
def place(runtime: Path) -> Iterator[Place]:
    """A job's place, that nobody owns."""
    made = Place.of_job("job")
    yield made
    made.give_up()
