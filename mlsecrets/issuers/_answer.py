"""A server's answer: its body in locked memory, and what its headers say about time."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from typing import ClassVar

from ..memory import Sealed, Wiped

#: The longest pause that a server is believed to mean, in seconds.
LONGEST_PAUSE = 3600.0


@dataclass(frozen=True, repr=False)
class Answer(Wiped):
    """A server's answer, whole; its `with` block ends by wiping it.

    It is wiped as well when it is dropped.

    Attributes:
        status: the HTTP status code.
        headers: as received, case-insensitive.
        body: at most `_incoming.MAX_ANSWER_BYTES`; it may hold secrets.
        sent_at: monotonic seconds just before the request left.
        received_at: monotonic seconds when the headers were here.
        wall: this machine's epoch seconds at `received_at`.
    """

    WHAT: ClassVar[str] = "an answer"
    INSTEAD: ClassVar[str] = "ask again where it is needed"

    status: int
    headers: Mapping[str, str]
    body: Sealed
    sent_at: float
    received_at: float
    wall: float

    def close(self) -> None:
        """Wipe the body."""
        self.body.buffer.close()

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"

    @property
    def date(self) -> float | None:
        """The server's own epoch seconds; None if it did not say.

        Whole seconds are all that a ``Date`` header has (RFC 9110 §6.6.1).
        """
        return _instant(self.headers.get("Date"))

    @property
    def skew(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the server's."""
        date = self.date
        return None if date is None else self.wall - date

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks to wait, 0 if it asks nothing intelligible.

        Both forms of ``Retry-After`` (RFC 9110 §10.2.3) count, a date by the clock of
        the server that wrote it. An hour at most; how much of it is granted is for the
        schedule to say, which never waits for more than half of a lease's life.
        """
        text = self.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return min(float(text), LONGEST_PAUSE)
        instant = _instant(text)
        if instant is None:
            return 0.0
        now = self.wall if self.date is None else self.date
        return min(max(instant - now, 0.0), LONGEST_PAUSE)


def _instant(header: str | None) -> float | None:
    """Epoch seconds of an HTTP-date (RFC 9110 §5.6.7), None if unreadable."""
    if not header:
        return None
    try:
        parsed = email.utils.parsedate_to_datetime(header)
        if parsed.tzinfo is None:  # the form of asctime: GMT, as all of them
            parsed = parsed.replace(tzinfo=timezone.utc)
        return parsed.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
