"""Failures in a row, and when it is worth trying again."""

from __future__ import annotations

import random

from ._schedule import backoff
from .errors import IdentityError, IssuerError, IssuerThrottled

#: What keeps a grant from being had, as opposed to a bug.
FAILURES = (IssuerError, IdentityError)


class Setbacks:
    """What went wrong since the last success.

    Attributes:
        last: the latest failure, None after a success.
        retry_at: monotonic seconds before which nothing should be tried.
    """

    def __init__(self) -> None:
        self.last: IssuerError | IdentityError | None = None
        self.retry_at = 0.0
        self._count = 0

    def note(
        self, error: IssuerError | IdentityError, now: float, remaining: float
    ) -> float:
        """Remember a failure; seconds to wait before the next try.

        Args:
            error: the failure.
            now: monotonic seconds.
            remaining: seconds of life left in the credentials at hand.
        """
        self._count += 1
        pause = backoff(self._count, remaining, random.random())  # noqa: S311
        if isinstance(error, IssuerThrottled):
            # As long as it asks, but never to sleep through the end of the lease.
            pause = max(pause, min(error.retry_after, max(remaining / 2, 1.0)))
        self.last, self.retry_at = error, now + pause
        return pause

    def clear(self) -> None:
        """It worked."""
        self.last, self.retry_at, self._count = None, 0.0, 0
