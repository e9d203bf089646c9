"""The one thread that renews: a heap of due instants and a loop."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from typing import Protocol

from .clock import Clock

log = logging.getLogger("mlsecrets")

#: Seconds after which a tended thing is looked at again if tending it blew up.
AFTER_A_BUG = 5.0


class Tended(Protocol):
    """What the renewer looks after."""

    def tend(self) -> None:
        """Do what is due, and announce when to be called next."""


class Renewer:
    """Calls `tend` on each thing when its time has come.

    The thread starts with the first thing scheduled and ends with `close`; it is a
    daemon, because a renewal must never keep a finished training process alive.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Tended]] = []
        self._current: dict[int, int] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def schedule(self, thing: Tended, due: float) -> None:
        """Call `thing.tend()` at monotonic `due`, instead of at any earlier promise."""
        with self._changed:
            if self._closed:
                return
            number = next(self._numbers)
            self._current[id(thing)] = number
            heapq.heappush(self._heap, (due, number, thing))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="mlsecrets-renewer", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def cancel(self, thing: Tended) -> None:
        """Forget a thing; one call that is under way still finishes."""
        with self._changed:
            self._current.pop(id(thing), None)
            self._heap = [entry for entry in self._heap if entry[2] is not thing]
            heapq.heapify(self._heap)

    def close(self) -> None:
        """End the thread, waiting for a call under way."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._current.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while (thing := self._next()) is not None:
            try:
                thing.tend()
            except Exception as error:  # noqa: BLE001  the one thread must outlive a bug
                # The type alone: a message from below could quote a value.
                log.error("tending %r failed: %s", thing, type(error).__name__)
                self.schedule(thing, self._clock.monotonic() + AFTER_A_BUG)

    def _next(self) -> Tended | None:
        with self._changed:
            while not self._closed:
                while self._heap:
                    due, number, thing = self._heap[0]
                    if self._current.get(id(thing)) != number:
                        heapq.heappop(self._heap)  # superseded by a later promise
                        continue
                    wait = due - self._clock.monotonic()
                    if wait <= 0:
                        heapq.heappop(self._heap)
                        del self._current[id(thing)]
                        return thing
                    break
                else:
                    wait = None
                self._clock.wait(self._changed, wait)
            return None
