"""Generations on their way out: wiped when nobody reads them, ended with the lease."""

from __future__ import annotations

import weakref

from ._setbacks import FAILURES
from .clock import Clock
from .credentials import Credentials
from .errors import GrantGone
from .grant import ROUNDING, Ending, Fate, Grant, Outcome
from .issuer import Issuer


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
        """End all of them at the issuer, newest first; no failure is raised."""
        endings, self._endings = self._endings, []
        return [(ending, self._end(ending, timeout)) for ending in reversed(endings)]

    def secrets(self) -> list[Credentials]:
        """The credentials that somebody still keeps from being wiped."""
        found = [ref() for ref in self._credentials]
        return [held for held in found if held is not None and not held.closed]

    def forget(self) -> None:
        """In a forked child: they are the parent's."""
        self._endings = []
        self._credentials = []

    def _end(self, ending: Ending, timeout: float) -> Outcome:
        try:
            if self._dead(ending):
                return Outcome(Fate.EXPIRED)
            return self._issuer.end(ending, timeout)
        except GrantGone:
            return Outcome(Fate.EXPIRED, "the issuer no longer knows it")
        except FAILURES as error:
            return Outcome(Fate.ENDS_AT_TTL, f"revoking failed: {error}")
        finally:
            ending.close()

    def _drop_expired(self) -> None:
        dead = [ending for ending in self._endings if self._dead(ending)]
        for ending in dead:
            ending.close()
            self._endings.remove(ending)

    def _dead(self, ending: Ending) -> bool:
        """Whether it has certainly expired, also by the issuer's count."""
        return ending.terms.remaining(self._clock.monotonic()) <= -ROUNDING
