"""Callbacks on events: each on a thread of its own, where it can harm nobody.

A renewal must not wait for a callback, nor end with it. So an event is put into each
listener's queue, and a thread that lives while there is something in it takes it from
there: a callback that writes a checkpoint for five minutes delays its own next event
and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from ._forks import forgets
from .events import NAMES, Event, Recorder

log = logging.getLogger("mlsecrets")

Callback = Callable[[Event], object]

#: Events that wait for one callback; past that the oldest are lost, and counted.
LONGEST_QUEUE = 1000
#: Seconds that the end of a lease waits for callbacks to take its last events.
FAREWELL = 2.0


class Listener:
    """One callback, its queue and its thread.

    Args:
        callback: called with each event, one at a time, in order.
        names: the events it wants; all of them if empty.
        scope: the lease it wants them of; all of them if None.
    """

    def __init__(
        self, callback: Callback, names: tuple[str, ...] = (), scope: str | None = None
    ) -> None:
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise ValueError(
                f"there is no event {unknown[0]!r}; expected some of {', '.join(NAMES)}"
            )
        if not callable(callback):
            raise TypeError(f"a callback is expected, got {type(callback).__name__}")
        self.scope = scope
        self.lost = 0
        self._callback = callback
        self._names = names
        self._queue: deque[Event] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        forgets(self)

    def wants(self, event: Event) -> bool:
        """Whether the callback asked for this event."""
        return (not self._names or event.name in self._names) and (
            self.scope is None or event.scope == self.scope
        )

    def put(self, event: Event) -> None:
        """Have the callback called with an event, soon; never waits."""
        with self._lock:
            if self._closed:
                return
            if len(self._queue) >= LONGEST_QUEUE:
                self._queue.popleft()
                self.lost += 1
            self._queue.append(event)
            if self._thread is None:
                self._start()

    def close(self, timeout: float = 0.0) -> None:
        """Take no more events; those in the queue are still delivered.

        Args:
            timeout: seconds to wait for that; a callback that hangs holds up no exit.
        """
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is None:
            self._deliver()  # what no thread was to be had for
        elif thread is not threading.current_thread():
            thread.join(timeout)

    def forget(self) -> None:
        """In a forked child: the events are the parent's, and so is the thread."""
        self._lock = threading.Lock()
        self._queue.clear()
        self._thread = None
        self._closed = True

    def _start(self) -> None:
        thread = threading.Thread(
            target=self._deliver, name="mlsecrets-events", daemon=True
        )
        # Where no thread is to be had now, the next event tries again, or the end.
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def _deliver(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._callback(event)
            except (Exception, SystemExit) as error:  # noqa: BLE001  it is a stranger's
                # Its own words could quote anything; the traceback would show them.
                kind = type(error).__name__
                log.error("a callback failed on event %s: %s", event.name, kind)

    def _next(self) -> Event | None:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            self._thread = None
            return None


class Listeners:
    """Hands each event to a recorder and to the listeners that want it.

    Args:
        recorder: told first, and on the thread that the event happens on.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        forgets(self)

    def record(self, event: Event) -> None:
        """Take note of an event."""
        self._recorder.record(event)
        self.tell(event)

    def tell(self, event: Event) -> None:
        """Hand on an event that has been recorded where it happened."""
        for listener in self._listeners:
            if listener.wants(event):
                listener.put(event)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Hand events to a listener from now on; a function that ends it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                others = (held for held in self._listeners if held is not listener)
                self._listeners = tuple(others)
            listener.close()

        return unsubscribe

    def end_of(self, *scopes: str) -> None:
        """End the listeners of leases that have ended, their last events delivered."""
        with self._lock:
            ending = [held for held in self._listeners if held.scope in scopes]
            others = (held for held in self._listeners if held not in ending)
            self._listeners = tuple(others)
        for listener in ending:
            listener.close(FAREWELL)

    def forget(self) -> None:
        """In a forked child: they are the parent's."""
        self._lock = threading.Lock()
        self._listeners = ()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            ending, self._listeners = self._listeners, ()
        for listener in ending:
            listener.close(FAREWELL)
