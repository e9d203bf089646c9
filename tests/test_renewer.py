"""Renewal: calls things when they are due, and outlives their bugs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from mlsecrets._renewer import AFTER_A_BUG, LONGEST_WAIT, Renewer
from mlsecrets.testing import FakeClock
from tests.life import Background


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


def test_a_promise_made_after_the_call_began_to_start_counts(
    clock: FakeClock, renewer: Renewer
) -> None:
    """Somebody was faster: what was due is not done twice."""
    log: list[str] = []
    thing = Thing("thing", log, renewer)
    renewer.schedule(thing, clock.monotonic() + 10)
    renewer._tend(thing)
    assert log == []
    clock.advance(10)
    assert thing.done.acquire(timeout=5)


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


class Hanging(Thing):
    """An issuer behind it does not answer."""

    def __init__(self, log: list[str], renewer: Renewer) -> None:
        super().__init__("hanging", log, renewer)
        self.answered = threading.Event()

    def tend(self) -> None:
        super().tend()
        self.answered.wait(10)


def test_one_that_hangs_holds_up_no_other(clock: FakeClock, renewer: Renewer) -> None:
    """A black hole at one issuer is not felt at another's leases."""
    log: list[str] = []
    hanging, other = Hanging(log, renewer), Thing("other", log, renewer)
    renewer.schedule(hanging, clock.monotonic())
    assert hanging.done.acquire(timeout=5)
    for _ in range(3):
        renewer.schedule(other, clock.monotonic())
        assert other.done.acquire(timeout=5)
    assert log == ["hanging", "other", "other", "other"]
    hanging.answered.set()


def test_the_end_waits_for_a_call_under_way(clock: FakeClock) -> None:
    """What it may still bring is not left to nobody."""
    renewer = Renewer(clock)
    log: list[str] = []
    hanging = Hanging(log, renewer)
    renewer.schedule(hanging, clock.monotonic())
    assert hanging.done.acquire(timeout=5)
    ending = Background(renewer.close)
    threading.Event().wait(0.05)
    assert ending.waiting
    hanging.answered.set()
    ending.join()


def test_where_no_thread_is_to_be_had_it_is_done_anyway(
    clock: FakeClock, renewer: Renewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process at its limit of threads renews one lease after the other."""
    log: list[str] = []
    first, second = Thing("first", log, renewer), Thing("second", log, renewer)
    renewer.schedule(second, clock.monotonic() + 10)  # the watching thread is there

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    renewer.schedule(first, clock.monotonic())
    clock.advance(10)
    assert first.done.acquire(timeout=5)
    assert second.done.acquire(timeout=5)


def test_the_clock_is_looked_at_while_nothing_is_due() -> None:
    """A thread's wait stands still while the machine sleeps; the clock does not."""
    waits: list[float | None] = []

    class Watched(FakeClock):
        def wait(self, condition: threading.Condition, timeout: float | None) -> None:
            waits.append(timeout)
            super().wait(condition, timeout)

    clock = Watched()
    renewer = Renewer(clock)
    log: list[str] = []
    thing = Thing("thing", log, renewer)
    renewer.schedule(thing, clock.monotonic() + 12 * 3600)
    while not waits:
        threading.Event().wait(0.002)
    renewer.close()
    assert all(wait is not None and wait <= LONGEST_WAIT for wait in waits)


def test_no_thread_runs_before_it_is_needed(clock: FakeClock) -> None:
    """A process that leases nothing has no thread of ours."""
    renewer = Renewer(clock)
    assert not renewer.running
    renewer.close()
