"""Locked pages that one session composes its requests in, used again and again.

Making such a page for each request would cost more than the request's other work, and
each `memfd_secret` takes pages out of the kernel's own map.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..memory import Draft

#: Idle ones that are kept; locked pages are few (``ulimit -l``).
MOST_IDLE = 4


class Drafts:
    """Lends drafts, each to one request at a time; those not lent are wiped."""

    def __init__(self) -> None:
        self._idle: list[Draft] = []
        self._pid = os.getpid()

    @contextmanager
    def lend(self) -> Iterator[Draft]:
        """An empty draft for a `with` block, which wipes it."""
        if self._pid != os.getpid():
            # A forked child has no such pages.
            self._pid, self._idle = os.getpid(), []
        try:
            draft = self._idle.pop()
        except IndexError:
            draft = Draft()
        try:
            yield draft
        finally:
            draft.clear()
            if len(self._idle) < MOST_IDLE:
                self._idle.append(draft)
            else:
                draft.close()

    def close(self) -> None:
        """Give the pages back."""
        while self._idle:
            self._idle.pop().close()
