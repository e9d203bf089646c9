"""Who was given what of a lease's secrets, and how far it left locked memory.

Most readers never see a secret: it is written into the message as that is sent, or a
signature is made with it. Some insist on a Python string. Those are named here, and
what they were shown is kept, sealed, so that it can be looked for once they are gone.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from dataclasses import dataclass
from enum import Enum

from ._forks import forgets
from .memory import Draft, Sealed

#: Revealed values kept for the sweep, newest first to stay: a twelve-hour run on
#: fifteen-minute sessions has 48 of each field.
MOST_KEPT = 128


class How(str, Enum):
    """How far a value left locked memory; the first two leave no copy."""

    LATE = "injected late"
    SIGNED = "signed with"
    REVEALED = "revealed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, order=True)
class Exposure:
    """One reader's use of one field.

    Attributes:
        reader: the library, such as ``botocore``; ``python`` for the program itself.
        field: such as ``session_token``.
        how: whether it got a copy.
    """

    reader: str
    field: str
    how: How

    def __str__(self) -> str:
        return f"{self.field} {self.how} ({self.reader})"


class Exposures:
    """Of all generations of one lease, in this process.

    Args:
        keep: whether what was revealed will be looked for here at the end.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._seen: set[Exposure] = set()
        self._keep = keep
        #: Revealed values that are too many to be looked for.
        self.forgotten = 0
        self.forget()
        forgets(self)

    def forget(self) -> None:
        """In a forked child: what was kept and who uses it are the parent's."""
        # Re-entrant: the garbage collector may end a forgotten coroutine's call in it.
        self._lock = threading.RLock()
        self._landed = threading.Condition(self._lock)
        self._kept: deque[Draft] = deque()
        self._holders: list[tuple[str, weakref.ref[object]]] = []
        self._under_way: weakref.WeakSet[object] = weakref.WeakSet()

    def note(self, reader: str, field: str, how: How) -> None:
        """Remember that a reader used a field."""
        exposure = Exposure(reader, field, how)
        if exposure not in self._seen:
            with self._lock:
                self._seen.add(exposure)

    def revealed(self, value: Sealed) -> None:
        """Keep a sealed copy of a value that became a string: its needle."""
        if not self._keep:
            return
        copy = Draft(len(value)).add_secret(value)
        with self._lock:
            self._kept.append(copy)
            if len(self._kept) > MOST_KEPT:
                self._kept.popleft().close()
                self.forgotten += 1

    def holds(self, reader: str, holder: object) -> None:
        """A reader may use what it was shown for as long as this object lives."""
        with self._lock:
            self._holders.append((reader, weakref.ref(holder)))

    def sent(self, message: object) -> None:
        """A message that carries a revealed value is about to be sent.

        Args:
            message: under way until it is `answered`, or dropped: nobody tells us of
                one that fails.
        """
        with self._lock:
            self._under_way.add(message)

    def answered(self, message: object) -> None:
        """It has been answered."""
        with self._lock:
            self._under_way.discard(message)
            self._landed.notify_all()

    def await_answers(self, timeout: float) -> None:
        """Wait for those messages that are under way now, and for no later ones.

        Args:
            timeout: seconds at the most: one may have failed, and not been dropped.
        """
        with self._lock:
            sent = weakref.WeakSet(self._under_way)
            self._landed.wait_for(
                lambda: not any(one in self._under_way for one in sent), timeout
            )

    def seen(self) -> tuple[Exposure, ...]:
        """Who used what, sorted."""
        with self._lock:
            return tuple(sorted(self._seen))

    def needles(self) -> list[Sealed]:
        """Every value that became a string, of every generation."""
        with self._lock:
            return [held.sealed for held in self._kept]

    def in_use(self) -> str | None:
        """Why a revealed value may still be needed by somebody; None if it is not."""
        with self._lock:
            alive = sorted({name for name, ref in self._holders if ref() is not None})
            if alive:
                return f"{', '.join(alive)} not closed"
            if self._under_way:
                return f"{len(self._under_way)} request(s) under way"
        return None

    def close(self) -> None:
        """Wipe what was kept."""
        with self._lock:
            kept, self._kept = self._kept, deque()
        for held in kept:
            held.close()
