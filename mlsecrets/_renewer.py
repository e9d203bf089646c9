"""Calls what is due at its time: a heap of instants, and one thread that watches it.

What is due runs on a short-lived thread of its own: an issuer that does not answer
holds up the lease that asks it, and no other.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from typing import Protocol

from ._forks import forgets
from .clock import Clock

log = logging.getLogger("mlsecrets")

#: Seconds after which a tended thing is looked at again if tending it blew up.
AFTER_A_BUG = 5.0
#: Seconds after which the clock is read again. A thread's own wait stands still while
#: the machine sleeps, so what fell due behind a closed lid would come that much late.
LONGEST_WAIT = 30.0


class Tended(Protocol):
    """What the renewer looks after."""

    def tend(self) -> None:
        """Do what is due, and announce when to be called next."""


class Renewer:
    """Calls `tend` on each thing when its time has come.

    The watching thread starts with the first thing scheduled and ends with `close`. All
    threads are daemons, because a renewal must never keep a finished training process
    alive.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Tended]] = []
        self._current: dict[int, int] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._tending: set[threading.Thread] = set()
        self._closed = False
        forgets(self)

    def forget(self) -> None:
        """In a forked child: the threads are the parent's, and so is what is due."""
        self._changed = threading.Condition()
        self._heap, self._current = [], {}
        self._thread, self._tending = None, set()
        self._closed = True

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
                    target=self._watch, name="mlsecrets-renewer", daemon=True
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
        """End the thread, waiting for calls under way."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._current.clear()
            self._changed.notify_all()
            threads = [self._thread, *self._tending]
        for thread in threads:
            if thread is not None and thread is not threading.current_thread():
                thread.join()

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def _watch(self) -> None:
        while (thing := self._next()) is not None:
            thread = threading.Thread(
                target=self._tend, args=(thing,), name="mlsecrets-renewal", daemon=True
            )
            with self._changed:
                self._tending.add(thread)
            try:
                thread.start()
            except RuntimeError:
                # No more threads to be had here: slower is better than not at all.
                self._tend(thing)
                with self._changed:
                    self._tending.discard(thread)

    def _tend(self, thing: Tended) -> None:
        try:
            with self._changed:
                promised = id(thing) in self._current
            if not promised:  # a later promise has been made: somebody was faster
                thing.tend()
        except Exception as error:  # noqa: BLE001  renewing must outlive a bug
            # The type alone: a message from below could quote a value.
            log.error("tending %r failed: %s", thing, type(error).__name__)
            self.schedule(thing, self._clock.monotonic() + AFTER_A_BUG)
        finally:
            with self._changed:
                self._tending.discard(threading.current_thread())

    def _next(self) -> Tended | None:
        """What is due, when it is; None at the end."""
        with self._changed:
            while not self._closed:
                wait = None
                while self._heap:
                    due, number, thing = self._heap[0]
                    if self._current.get(id(thing)) != number:
                        heapq.heappop(self._heap)  # superseded by a later promise
                        continue
                    left = due - self._clock.monotonic()
                    if left <= 0:
                        heapq.heappop(self._heap)
                        del self._current[id(thing)]
                        return thing
                    wait = min(left, LONGEST_WAIT)
                    break
                self._clock.wait(self._changed, wait)
            return None
