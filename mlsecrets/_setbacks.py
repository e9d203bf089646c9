"""Failures in a row, and when it is worth trying again."""

from __future__ import annotations

import random

from ._schedule import (
    backoff,
    pause_after_refusal,
    pause_as_asked,
    pause_when_crowded,
    rejection_pause,
)
from .errors import IdentityError, IssuerError, IssuerThrottled, IssuerUnavailable

#: What keeps a grant from being had, as opposed to a bug.
FAILURES = (IssuerError, IdentityError)
Failure = IssuerError | IdentityError


def refused(error: Failure) -> bool:
    """Whether an issuer has heard us and said no, so that asking again is no remedy.

    Everything else may pass: an issuer that is away, a gateway that answers for it, an
    identity file that is missing while the platform rotates it.
    """
    return isinstance(error, IssuerError) and not isinstance(error, IssuerUnavailable)


class Setbacks:
    """What went wrong since the last success.

    Attributes:
        last: the latest failure, None after a success.
        retry_at: monotonic seconds before which nothing should be tried.
    """

    def __init__(self) -> None:
        self.last: Failure | None = None
        self.retry_at = float("-inf")
        self._count = 0

    def note(
        self, error: Failure, now: float, remaining: float, lifetime: float = 0.0
    ) -> float:
        """Remember a failure; seconds to wait before the next try.

        Args:
            error: the failure.
            now: monotonic seconds.
            remaining: seconds of life left in the credentials at hand.
            lifetime: seconds that they were granted for; 0 if there are none.
        """
        self._count += 1
        share = random.random()  # noqa: S311  no secret
        if refused(error):
            pause = pause_after_refusal(remaining)
        elif isinstance(error, IssuerThrottled):
            pause = pause_when_crowded(self._count, remaining, lifetime, share)
        else:
            pause = backoff(self._count, remaining, share)
        if isinstance(error, IssuerUnavailable):
            pause = pause_as_asked(pause, error.retry_after, remaining)
        # Without its frames: they hold the request, and that its token.
        self.last, self.retry_at = error.with_traceback(None), now + pause
        return pause

    def clear(self) -> None:
        """It worked."""
        self.last, self.retry_at, self._count = None, float("-inf"), 0


class Rejections:
    """Servers that refuse credentials which should live, and how often to believe them.

    Believing costs an issuer call and one more credential. A key that was revoked early
    is mended by one; a server that refuses everything is not mended by a thousand. What
    was then accepted for as long as the pause lasted shows which of them it is.
    """

    def __init__(self) -> None:
        self._next = float("-inf")
        self._count = 0

    def believe(self, now: float) -> bool:
        """Whether to replace what was refused at monotonic `now`."""
        if now < self._next:
            return False
        if now > self._next + rejection_pause(self._count):
            self._count = 0
        self._count += 1
        self._next = now + rejection_pause(self._count)
        return True
