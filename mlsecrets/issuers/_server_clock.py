"""What time it is at a server, whatever this machine's wall clock does."""

from __future__ import annotations

from ..clock import Clock
from ._answer import Answer


class ServerClock:
    """Goes on from the server's latest ``Date`` by our monotonic clock.

    A wall clock that jumps (NTP, an operator, a restored virtual machine) so changes
    nothing about what is signed for that server.

    Args:
        clock: reads time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Epoch seconds there, and the monotonic second here at which they were told.
        self._told: tuple[float, float] | None = None

    def hear(self, answer: Answer) -> None:
        """Believe an answer's ``Date``, if it has one."""
        if answer.date is not None:
            self._told = (answer.date, answer.received_at)

    def now(self) -> float:
        """Epoch seconds there; this machine's as long as nothing was heard."""
        if self._told is None:
            return self._clock.wall()
        date, heard_at = self._told
        return date + self._clock.monotonic() - heard_at
