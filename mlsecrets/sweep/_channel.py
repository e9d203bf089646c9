"""What this process and its helper say to each other, over two pipes.

Messages are JSON with their length before them. Secrets go from locked memory to the
pipe and from the pipe to locked memory, and are in no message.
"""

from __future__ import annotations

import json
import os
import select
from typing import Any

from ..clock import Clock

_LENGTH = 4  # bytes, big-endian
#: Nothing either side says is longer: it would not be one of ours.
_LONGEST = 16 << 20


class Channel:
    """One side of the two pipes.

    Args:
        reads, writes: file descriptors.
        deadline: see below.

    Attributes:
        deadline: instant on the clock after which nothing is waited for; None to wait
            for as long as the other side lives.
    """

    def __init__(
        self, reads: int, writes: int, clock: Clock, deadline: float | None
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._clock = clock
        self.deadline = deadline
        os.set_blocking(writes, False)

    def send(self, message: dict[str, Any]) -> None:
        """Say something that is no secret.

        Raises:
            BrokenPipeError: the other side is gone.
            TimeoutError: the deadline has passed.
        """
        raw = json.dumps(message).encode()
        self.send_bytes(memoryview(len(raw).to_bytes(_LENGTH, "big") + raw))

    def send_bytes(self, view: memoryview) -> None:
        """Send bytes as they are, without another copy in this process.

        Raises:
            BrokenPipeError, TimeoutError: as `send`.
        """
        at = 0
        while at < len(view):
            self._wait(self._writes, select.POLLOUT)
            with view[at:] as rest:
                try:
                    at += os.write(self._writes, rest)
                except BlockingIOError:
                    continue  # less room than the poll promised

    def receive(self) -> dict[str, Any]:
        """The next message.

        Raises:
            EOFError: the other side is gone, or speaks something else.
            TimeoutError: the deadline has passed.
        """
        length = int.from_bytes(self._exactly(_LENGTH), "big")
        if length > _LONGEST:
            raise EOFError(f"expected a message, got one of {length} bytes")
        try:
            message: dict[str, Any] = json.loads(self._exactly(length))
        except ValueError:
            raise EOFError("expected a message, got no JSON") from None
        return message

    def receive_into(self, view: memoryview) -> None:
        """Fill `view` with bytes that the other side sent as they are.

        Raises:
            EOFError, TimeoutError: as `receive`.
        """
        at = 0
        while at < len(view):
            self._wait(self._reads, select.POLLIN)
            with view[at:] as rest:
                got = os.readv(self._reads, [rest])
            if not got:
                raise EOFError("the other side is gone")
            at += got

    def _exactly(self, length: int) -> bytearray:
        raw = bytearray(length)
        self.receive_into(memoryview(raw))
        return raw

    def _wait(self, fd: int, event: int) -> None:
        left = None
        if self.deadline is not None:
            left = max(0.0, self.deadline - self._clock.monotonic()) * 1000
        poll = select.poll()
        poll.register(fd, event)
        if not poll.poll(left):
            raise TimeoutError("the other side said nothing in time")
