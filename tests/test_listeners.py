"""Callbacks on events: in order, off the renewal's threads, and harmless."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from mlsecrets._listeners import LONGEST_QUEUE, Listener, Listeners
from mlsecrets.events import Event, Journal
from tests.life import World


def event(name: str = "renewed", scope: str = "data", number: int = 0) -> Event:
    return Event(name, scope, 0.0, 1, {"number": number})


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners(Journal())
    yield made
    made.close()


class Heard:
    """A callback that remembers, on which thread too."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.threads: set[str] = set()
        self.arrived = threading.Semaphore(0)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread().name)
        self.arrived.release()

    def await_events(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=5)


def test_events_arrive_in_order_on_another_thread(listeners: Listeners) -> None:
    """One at a time."""
    heard = Heard()
    listeners.add(Listener(heard))
    for number in range(200):
        listeners.record(event(number=number))
    heard.await_events(200)
    assert [one.detail["number"] for one in heard.events] == list(range(200))
    assert threading.current_thread().name not in heard.threads


def test_only_what_was_asked_for_arrives(listeners: Listeners) -> None:
    """By event and by lease."""
    heard = Heard()
    listeners.add(Listener(heard, ("doomed",), "data"))
    listeners.record(event("renewed"))
    listeners.record(event("doomed", scope="other"))
    listeners.record(event("doomed"))
    heard.await_events(1)
    assert [(one.name, one.scope) for one in heard.events] == [("doomed", "data")]


def test_a_callback_that_raises_ends_nothing(
    listeners: Listeners, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither itself nor another; logged by type, since its text may quote anything."""
    heard = Heard()

    def broken(event: Event) -> None:
        heard(event)
        if event.detail["number"] == 1:
            raise SystemExit(3)
        raise ValueError("a value that must not be logged")

    other = Heard()
    listeners.add(Listener(broken))
    listeners.add(Listener(other))
    with caplog.at_level(logging.ERROR, "mlsecrets"):
        for number in range(3):
            listeners.record(event(number=number))
        heard.await_events(3)
        other.await_events(3)
        listeners.close()
    assert caplog.text.count("ValueError") == 2
    assert caplog.text.count("SystemExit") == 1
    assert "must not be logged" not in caplog.text


def test_a_renewal_does_not_wait_for_a_callback() -> None:
    """A callback that writes a checkpoint for minutes delays no credential."""
    world = World()
    listeners = Listeners(world.journal)
    world.live._events._recorder = listeners
    written = threading.Event()
    listeners.add(Listener(lambda event: written.wait(30)))
    world.live.open()
    for generation in (2, 3, 4):
        world.tend_when_due()
        assert world.live.snapshot().terms.generation == generation
    written.set()
    world.end()
    listeners.close()


def test_a_callback_may_use_the_lease_it_hears_of() -> None:
    """It holds no lock of ours: a checkpoint is written with the lease."""
    world = World()
    listeners = Listeners(world.journal)
    world.live._events._recorder = listeners
    read: list[str] = []
    done = threading.Event()

    def save(event: Event) -> None:
        read.append(world.token())
        world.live.ensure(10.0)
        done.set()

    listeners.add(Listener(save))
    world.live.open()
    assert done.wait(5)
    assert read == ["fake-token-000001"]
    world.end()
    listeners.close()


def test_the_last_events_still_arrive(listeners: Listeners) -> None:
    """Revoked and shredded are what one waits for."""
    heard = Heard()
    listeners.add(Listener(heard, (), "data"))
    listeners.record(event("revoked"))
    listeners.record(event("shredded"))
    listeners.end_of("data")
    assert [one.name for one in heard.events] == ["revoked", "shredded"]
    listeners.record(event("issued"))
    assert len(heard.events) == 2


def test_a_callback_that_hangs_holds_up_no_exit(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for a moment, not for ever."""
    monkeypatch.setattr("mlsecrets._listeners.FAREWELL", 0.05)
    released = threading.Event()
    listeners.add(Listener(lambda event: released.wait(30), (), "data"))
    listeners.record(event())
    listeners.end_of("data")
    assert not released.is_set()
    released.set()


def test_a_queue_that_nobody_empties_loses_its_oldest() -> None:
    """And counts them: a hanging callback does not fill the memory."""
    entered, released = threading.Event(), threading.Event()
    numbers: list[int] = []

    def slow(event: Event) -> None:
        entered.set()
        released.wait(30)
        numbers.append(event.detail["number"])

    listener = Listener(slow)
    listener.put(event(number=-1))
    assert entered.wait(5)
    for number in range(LONGEST_QUEUE + 10):
        listener.put(event(number=number))
    assert listener.lost == 10
    released.set()
    listener.close(10)
    assert numbers == [-1, *range(10, LONGEST_QUEUE + 10)]


def test_unsubscribing_ends_it(listeners: Listeners) -> None:
    """What comes later is not delivered."""
    heard = Heard()
    end = listeners.add(Listener(heard))
    listeners.record(event())
    heard.await_events(1)
    end()
    end()
    listeners.record(event())
    listeners.close()
    assert len(heard.events) == 1


def test_no_thread_is_left_while_nothing_happens(listeners: Listeners) -> None:
    """It comes with an event and goes with it."""
    heard = Heard()
    listener = Listener(heard)
    listeners.add(listener)
    listeners.record(event())
    heard.await_events(1)
    listener.close(5)
    assert not any(
        thread.name == "mlsecrets-events" for thread in threading.enumerate()
    )


def test_where_no_thread_is_to_be_had_events_arrive_at_the_end(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.12 starts none at the interpreter's exit, where the last ones happen."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    heard = Heard()
    listeners.add(Listener(heard, (), "data"))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    listeners.record(event("revoked"))
    listeners.record(event("shredded"))
    assert heard.events == []
    listeners.end_of("data")
    assert [one.name for one in heard.events] == ["revoked", "shredded"]


def test_an_unknown_event_is_refused() -> None:
    """With those that exist."""
    with pytest.raises(ValueError, match=r"no event 'doom'.*doomed"):
        Listener(print, ("doom",))
    with pytest.raises(TypeError, match="got str"):
        Listener("print")  # type: ignore[arg-type]
