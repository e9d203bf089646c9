"""The issuer of the whole fleet: it counts, is away for a while, and has a limit."""

from __future__ import annotations

from array import array
from enum import Enum, auto


class Answer(Enum):
    """What became of a call."""

    GRANTED = auto()
    AWAY = auto()
    THROTTLED = auto()


class Service:
    """Answers at once, refuses connections at once.

    Args:
        away: seconds between which it is not there; None if it always is.
        limit: calls a second that it grants from the end of that on, saved up for one
            second at most; the others are throttled. None if it grants all.

    Attributes:
        calls: when it was called, granted or not.
        throttled: how many calls were.
    """

    #: Seconds that a throttled caller is asked to wait (``Retry-After``).
    RETRY_AFTER = 1.0

    def __init__(
        self, away: tuple[float, float] | None = None, limit: float | None = None
    ) -> None:
        self.calls = array("d")
        self.throttled = 0
        self._away = away
        self._limit = limit
        self._saved = self._most = max(limit or 0.0, 1.0)
        self._last = away[1] if away is not None else 0.0

    def ask(self, now: float) -> Answer:
        """One call at `now`; calls come in order of time."""
        self.calls.append(now)
        if self._away is not None:
            if self._away[0] <= now < self._away[1]:
                return Answer.AWAY
            if self._limit is not None and now >= self._away[1]:
                self._saved += (now - self._last) * self._limit
                self._saved = min(self._saved, self._most)
                self._last = now
                if self._saved < 1.0:
                    self.throttled += 1
                    return Answer.THROTTLED
                self._saved -= 1.0
        return Answer.GRANTED
