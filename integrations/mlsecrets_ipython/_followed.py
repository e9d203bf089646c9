"""One lease, followed by its events for those who show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from mlsecrets import Event, Lease
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.errors import MLSecretsError

from ._badge import Badge
from ._status import State, Status, look

#: Seconds between two updates of one badge that tell of no new state.
APART = 1.0
#: Seconds that a display waits for what is to be shown: its issuer may be away.
PATIENCE = 0.5

Painter = Callable[[Badge, str], None]
"""Shows a badge under the name of its display."""


class Followed:
    """One open lease, all of whose badges are one display, updated at once.

    It ends with the lease. Nothing here waits for an issuer, or keeps one waiting.

    Args:
        lease: which.
        repaint: called, on some thread, when what is shown has to change; None where
            that cannot be changed.
    """

    def __init__(self, lease: Lease, repaint: Painter | None) -> None:
        #: The cell that it was shown in last.
        self.shown_in: int | None = None
        self._name = f"mlsecrets-{uuid4().hex}"
        self._lease = lease
        self._repaint = repaint
        self._lock = threading.Lock()
        self._painting = threading.Lock()  # what is sent last is the latest
        self._status = Status(lease.scope)
        self._heard = False
        self._painted = 0.0
        self._timer: threading.Timer | None = None
        self._unsubscribe: Callable[[], None] | None = None
        with suppress(MLSecretsError):  # ended, or another process's, which tells it
            self._unsubscribe = lease.subscribe(self._hear)
        # Apart, because it may have to wait for the issuer, and a display must not.
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        thread.join(PATIENCE)

    def follows(self, lease: Lease) -> bool:
        """Whether it is about this lease, and will be told what becomes of it."""
        same = lease is self._lease or (lease.open and self._lease.open)
        return same and self._unsubscribe is not None and not self._over

    def paint(self, painter: Painter) -> None:
        """Show what is known now."""
        with self._painting:
            with self._lock:
                self._painted = SYSTEM_CLOCK.monotonic()
                badge = Badge.now(self._status)
                # Nothing else tells of a life that just runs out.
                left = (self._status.until or 0.0) - badge.at
                self._set_timer(left + 0.01 if left > 0 and not self._over else None)
            painter(badge, self._name)

    def leave(self) -> None:
        """Follow it no longer."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        with self._lock:
            self._repaint = None
            self._set_timer(None)

    @property
    def _over(self) -> bool:
        return self._status.told is State.ENDED

    def _look(self) -> None:
        found = look(self._lease)
        with self._lock:
            if self._heard:  # newer than what was looked at
                return
            self._status = found
        self._show()

    def _hear(self, event: Event) -> None:
        with self._lock:
            before, self._status = self._status, self._status.after(event)
            self._heard = True
            if self._status == before:
                return
            if self._status.told is before.told:
                wait = self._painted + APART - SYSTEM_CLOCK.monotonic()
                if wait > 0:
                    self._set_timer(wait)
                    return
        self._show()

    def _show(self) -> None:
        repaint = self._repaint
        if repaint is not None and self.shown_in is not None:
            self.paint(repaint)

    def _time_has_come(self) -> None:
        self._show()
        with self._lock:
            untold = self._status.told is State.OPEN
            if not untold or self._status.state(SYSTEM_CLOCK.wall()) is State.OPEN:
                return
            # No event has told of what it lives on: it has another owner by now.
            self._heard = False
        self._look()

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and self._repaint is not None:
            self._timer = threading.Timer(seconds, self._time_has_come)
            self._timer.daemon = True
            self._timer.start()
