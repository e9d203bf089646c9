"""Ranks that come at the very moment at which there is an owner."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mlsecrets import _session
from mlsecrets._broker._place import Place
from mlsecrets._broker.serve import Broker
from mlsecrets._session import Session
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack
from mlsecrets.events import Journal
from mlsecrets.manifest import load


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """One that this process owns."""
    monkeypatch.delenv("MLSECRETS_SOCK", raising=False)
    with TemporaryDirectory(prefix="mls-", dir="/tmp") as folder:
        made = Place(Path(folder))
        assert made.take()
        yield made
        made.give_up()


def test_who_asks_before_the_owner_is_ready_waits(
    brief: DevStack, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket answers a moment before the session knows that it does."""
    session = Session(load(brief.manifest_path), clock=SYSTEM_CLOCK, journal=Journal())
    answers: list[Any] = []

    def ask() -> None:
        try:
            session.admit("train-data", lambda event: None)
            answers.append("admitted")
        except Exception as error:
            answers.append(error)

    asking = threading.Thread(target=ask)

    class Slow(Broker):
        """Is asked before its maker has it."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            asking.start()
            asking.join(0.2)

    monkeypatch.setattr(_session, "Broker", Slow)
    session.reserve("train-data", place).open()
    asking.join()
    session.release("train-data")
    session.release("train-data")
    assert answers == ["admitted"]
