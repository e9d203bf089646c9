"""What a process says to the helper that sweeps it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..clock import Clock
from ..memory import Posture, live_mappings
from ._channel import Channel
from ._helper_process import helper_process

#: Seconds for an interpreter to start: what is not one may never say anything.
START = 20.0


class Conversation:
    """One sweep, from the side of the process that is swept.

    Args:
        values: what to look for.
        deadline: instant on the clock.

    Attributes:
        figures: what the helper has told so far, by the names of a report's fields.
        refused: why there is no more, in words.
    """

    def __init__(
        self, values: Sequence[memoryview], clock: Clock, deadline: float
    ) -> None:
        self._values = values
        self._clock = clock
        self._deadline = deadline
        self.figures: dict[str, Any] = {}
        self.refused: str | None = None

    def hold(self) -> None:
        """Start a helper, answer it until it is done, and see it end.

        Raises:
            OSError: it cannot be started.
            EOFError, BrokenPipeError: it died.
            TimeoutError: it did not come to an end in time.
        """
        soon = min(self._deadline, self._clock.monotonic() + START)
        with without_sigpipe(), helper_process() as (pid, reads, writes):
            channel = Channel(reads, writes, self._clock, soon)
            channel.receive()
            channel.deadline = self._deadline
            # What stays refused nonetheless, the helper will find out.
            with Posture().allow(pid):
                self._give_task(channel)
                while True:
                    told = channel.receive()
                    self.figures = told["figures"]
                    if told["done"]:
                        return
                    # Asked anew before each look: buffers come and go.
                    channel.send({"excluded": list(live_mappings())})

    def _give_task(self, channel: Channel) -> None:
        lengths = [len(value) for value in self._values]
        channel.send({"pid": os.getpid(), "lengths": lengths})
        for value in self._values:
            channel.send_bytes(value)


@contextmanager
def without_sigpipe() -> Iterator[None]:
    """Writing to a helper that died must not end this process, as some ask for."""
    pipe = {signal.SIGPIPE}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, pipe)
    try:
        yield
    finally:
        if signal.SIGPIPE not in before:
            signal.sigtimedwait(pipe, 0)  # one that came is ours
            signal.pthread_sigmask(signal.SIG_UNBLOCK, pipe)
