"""The one renewal thread: calls things when they are due, and outlives their bugs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from mlsecrets._renewer import AFTER_A_BUG, Renewer
from mlsecrets.testing import FakeClock


class Thing:
    def __init__(self, name: str, log: list[str], renewer: Renewer) -> None:
        self.name, self.log, self.renewer = name, log, renewer
        self.done = threading.Semaphore(0)
        self.error: Exception | None = None

    def tend(self) -> None:
        self.log.append(self.name)
        self.done.release()
        if self.error is not None:
            error, self.error = self.error, None
            raise error


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def renewer(clock: FakeClock) -> Iterator[Renewer]:
    made = Renewer(clock)
    yield made
    made.close()
    assert not made.running


def test_things_are_tended_in_the_order_they_are_due(
    clock: FakeClock, renewer: Renewer
) -> None:
    """Whatever the order in which they were scheduled."""
    log: list[str] = []
    late, soon = Thing("late", log, renewer), Thing("soon", log, renewer)
    renewer.schedule(late, clock.monotonic() + 20)
    renewer.schedule(soon, clock.monotonic() + 10)
    clock.advance(10)
    assert soon.done.acquire(timeout=5)
    assert log == ["soon"]
    clock.advance(10)
    assert late.done.acquire(timeout=5)
    assert log == ["soon", "late"]


def test_the_latest_promise_counts(clock: FakeClock, renewer: Renewer) -> None:
    """A thing that was promised twice is tended once."""
    log: list[str] = []
    thing, marker = Thing("thing", log, renewer), Thing("marker", log, renewer)
    renewer.schedule(thing, clock.monotonic() + 10)
    renewer.schedule(thing, clock.monotonic() + 30)
    renewer.schedule(marker, clock.monotonic() + 20)
    clock.advance(20)
    assert marker.done.acquire(timeout=5)
    assert log == ["marker"]
    clock.advance(10)
    assert thing.done.acquire(timeout=5)
    assert log == ["marker", "thing"]


def test_a_cancelled_thing_is_left_alone(clock: FakeClock, renewer: Renewer) -> None:
    """Its lease has ended."""
    log: list[str] = []
    thing, marker = Thing("thing", log, renewer), Thing("marker", log, renewer)
    renewer.schedule(thing, clock.monotonic() + 10)
    renewer.cancel(thing)
    renewer.schedule(marker, clock.monotonic() + 20)
    clock.advance(30)
    assert marker.done.acquire(timeout=5)
    assert log == ["marker"]


def test_a_bug_in_one_thing_does_not_end_the_thread(
    clock: FakeClock, renewer: Renewer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged by its type, not its text, and tried again later."""
    log: list[str] = []
    thing = Thing("thing", log, renewer)
    thing.error = ValueError("a value that must not be logged")
    with caplog.at_level(logging.ERROR, "mlsecrets"):
        renewer.schedule(thing, clock.monotonic())
        assert thing.done.acquire(timeout=5)
        deadline = threading.Event()
        while not thing.done.acquire(blocking=False):
            clock.advance(AFTER_A_BUG)
            deadline.wait(0.01)
    assert log == ["thing", "thing"]
    assert "ValueError" in caplog.text
    assert "must not be logged" not in caplog.text


def test_no_thread_runs_before_it_is_needed(clock: FakeClock) -> None:
    """A process that leases nothing has no thread of ours."""
    renewer = Renewer(clock)
    assert not renewer.running
    renewer.close()
