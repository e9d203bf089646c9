"""Which connection an exchange is made on: the one kept from the last, or a new one."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._origin import Origin
from ._connection import Connection
from ._deadline import Deadline


class Transport:
    """Connections to one server, of which one is kept between calls.

    Several threads may ask at once; each gets a connection of its own. There is no
    lock that a fork could leave held: a deque's operations are atomic.

    Args:
        origin: the server.
        ca_file: the authorities to trust; None for certifi's.
    """

    def __init__(self, origin: Origin, ca_file: Path | None) -> None:
        self.origin = origin
        self._ca_file = ca_file
        self._kept: deque[Connection] = deque()
        self._closed = False
        # For those who forget to close it.
        weakref.finalize(self, _drop, self._kept, all_but=0)

    @contextmanager
    def connection(self, deadline: Deadline) -> Iterator[Connection]:
        """A connection for one exchange, kept afterwards if it is `reusable` then.

        Raises:
            OSError: as `Connection`.
        """
        used = self._fresh(deadline) or Connection(self.origin, self._ca_file, deadline)
        used.reusable = False
        try:
            yield used
        except BaseException:
            used.close()
            raise
        if not used.reusable:
            used.close()
            return
        used.done(deadline.clock.monotonic())
        self._kept.append(used)
        _drop(self._kept, all_but=0 if self._closed else 1)

    def close(self) -> None:
        """Give the connection back; those under way are not kept."""
        self._closed = True
        _drop(self._kept, all_but=0)

    def _fresh(self, deadline: Deadline) -> Connection | None:
        while (kept := _oldest(self._kept)) is not None:
            if kept.is_fresh(deadline.clock.monotonic()):
                return kept
            kept.close()
        return None


def _drop(kept: deque[Connection], *, all_but: int) -> None:
    while len(kept) > all_but and (oldest := _oldest(kept)) is not None:
        oldest.close()


def _oldest(kept: deque[Connection]) -> Connection | None:
    try:
        return kept.popleft()
    except IndexError:  # another thread took it
        return None
