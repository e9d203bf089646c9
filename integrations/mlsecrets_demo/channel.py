"""The pipe between the demo and the training process it starts.

Messages are JSON. Secrets cross it once, at the end and for the proof alone, as bytes
behind a message: from locked memory into the pipe, so that nothing is added to what the
process's memory holds of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any


class Channel:
    """One end of the pipe."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Both ends; the second is for the child (`fileno`, ``pass_fds``)."""
        ours, theirs = Pipe()
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, fd: int) -> Channel:
        """The child's end, by the number that its parent gave it."""
        os.set_inheritable(fd, False)  # noqa: FBT003  its own signature
        return cls(Connection(fd))

    def fileno(self) -> int:
        """The descriptor to be inherited."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def say(self, what: str, **content: Any) -> None:
        """Send a message."""
        self._connection.send_bytes(json.dumps({"say": what, **content}).encode())

    def hear(self) -> dict[str, Any]:
        """The next message.

        Raises:
            EOFError: the other end is gone.
        """
        try:
            message: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except OSError:  # the other process was killed
            raise EOFError from None
        return message

    def ask(self, what: str, **content: Any) -> None:
        """Send a message, and wait until the other end has dealt with it."""
        self.say(what, **content)
        self.hear()

    def send_raw(self, view: memoryview) -> None:
        """Send bytes from where they are, without a copy in this process."""
        sent = 0
        while sent < len(view):
            sent += os.write(self.fileno(), view[sent:])

    def receive_raw(self, lengths: Sequence[int]) -> list[str]:
        """Receive what `send_raw` sent: texts of these lengths in bytes."""
        content = b""
        while len(content) < sum(lengths):
            chunk = os.read(self.fileno(), sum(lengths) - len(content))
            if not chunk:
                raise EOFError
            content += chunk
        starts = [sum(lengths[:number]) for number in range(len(lengths))]
        return [
            content[start : start + length].decode()
            for start, length in zip(starts, lengths, strict=True)
        ]
