"""One budget of time for everything that an issuer call is made of.

A timeout for each wait is no bound: a server that sends a byte now and then never
runs into it, and a login, a lookup and a second try each bring their own. So the call
says once how long it may take, and whatever it leads to in the same thread, down to
the sockets, asks here how much is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ..clock import Clock


@dataclass(frozen=True)
class Deadline:
    """An instant to be done by.

    Attributes:
        clock: reads time.
        at: monotonic seconds.
    """

    clock: Clock
    at: float

    def left(self) -> float:
        """Seconds left: always more than none, which a socket takes for "at once".

        Raises:
            TimeoutError: it has passed.
        """
        seconds = self.at - self.clock.monotonic()
        if seconds <= 0:
            raise TimeoutError("the call's time is used up")
        return seconds


_UNDER_WAY: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(clock: Clock, seconds: float) -> Iterator[Deadline]:
    """Bound what the block does; inside a block that ends sooner, that one counts.

    Args:
        clock: reads time.
        seconds: for the whole block.
    """
    outer = _UNDER_WAY.get()
    if outer is not None:
        seconds = min(seconds, outer.at - outer.clock.monotonic())
    deadline = Deadline(clock, clock.monotonic() + seconds)
    token = _UNDER_WAY.set(deadline)
    try:
        yield deadline
    finally:
        _UNDER_WAY.reset(token)


def under_way() -> Deadline:
    """The deadline of the call that this thread is making.

    Raises:
        LookupError: it is making none.
    """
    deadline = _UNDER_WAY.get()
    if deadline is None:
        raise LookupError("no issuer call is under way")
    return deadline
