"""Generations on their way out: wiped when nobody reads them, ended with the lease."""

from __future__ import annotations

import random
import weakref

from ._schedule import backoff
from ._setbacks import FAILURES
from .clock import Clock, pause
from .credentials import Credentials
from .errors import GrantGone, IssuerUnavailable
from .grant import ROUNDING, Ending, Fate, Grant, Outcome
from .issuer import Issuer

#: Times at most that one thing is tried to be ended.
TRIES = 6
#: Seconds of a try when there is no time left: enough for an issuer that answers.
SHORTEST_TRY = 0.5


class Retired:
    """What one lease no longer uses.

    The credentials themselves are not kept: whoever still holds a snapshot of them
    keeps them, and when the last one drops it their memory is wiped. What is kept is
    what can still end them at the issuer, until they have expired by themselves.

    Args:
        issuer: of the grants.
        clock: reads time.
    """

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._endings: list[Ending] = []
        self._credentials: list[weakref.ref[Credentials]] = []

    def add(self, grant: Grant) -> None:
        """Take over a grant that has just been replaced, or is the last."""
        self._drop_expired()
        self._endings.append(self._issuer.retire(grant))
        self._credentials = [ref for ref in self._credentials if ref() is not None]
        self._credentials.append(weakref.ref(grant.credentials))

    def end(self, timeout: float) -> list[tuple[Ending, Outcome]]:
        """End all of them at the issuer, newest first; no failure is raised.

        Args:
            timeout: seconds for all of them; each gets one short try, whatever is left.
        """
        endings, self._endings = self._endings, []
        until = self._clock.monotonic() + timeout
        return [(ending, self._end(ending, until)) for ending in reversed(endings)]

    def secrets(self) -> list[Credentials]:
        """The credentials that somebody still keeps from being wiped."""
        found = [ref() for ref in self._credentials]
        return [held for held in found if held is not None and not held.closed]

    def forget(self) -> None:
        """In a forked child: they are the parent's."""
        self._endings = []
        self._credentials = []

    def _end(self, ending: Ending, until: float) -> Outcome:
        """End one, trying again while the issuer is away and there is time."""
        try:
            for attempt in range(1, TRIES + 1):
                try:
                    return self._end_once(ending, until)
                except IssuerUnavailable as error:
                    away = error
                if not self._wait(attempt, away, until):
                    break
            return Outcome(Fate.ENDS_AT_TTL, f"revoking failed: {away}")
        except GrantGone:
            return Outcome(Fate.EXPIRED, "the issuer no longer knows it")
        except FAILURES as error:
            return Outcome(Fate.ENDS_AT_TTL, f"revoking failed: {error}")
        finally:
            ending.close()

    def _end_once(self, ending: Ending, until: float) -> Outcome:
        if self._dead(ending):
            return Outcome(Fate.EXPIRED)
        left = until - self._clock.monotonic()
        # Half of it, so that one call that hangs leaves time for another.
        return self._issuer.end(ending, max(left / 2, SHORTEST_TRY))

    def _wait(self, attempt: int, away: IssuerUnavailable, until: float) -> bool:
        """Wait before another try to end something; False if there is no time."""
        left = until - self._clock.monotonic()
        wait = max(
            backoff(attempt, left, random.random()),  # noqa: S311  no secret
            away.retry_after,
        )
        if wait >= left:
            return False
        pause(self._clock, wait)
        return True

    def _drop_expired(self) -> None:
        dead = [ending for ending in self._endings if self._dead(ending)]
        for ending in dead:
            ending.close()
            self._endings.remove(ending)

    def _dead(self, ending: Ending) -> bool:
        """Whether it has certainly expired, also by the issuer's count."""
        return self._clock.monotonic() >= ending.terms.deadline + ROUNDING
