"""What one lease tells of itself: the words of each event, in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ._setbacks import Failure, refused
from .clock import Clock
from .errors import IssuerThrottled
from .events import Event, Recorder
from .grant import Ending, Fate, Grant, Outcome

#: What the journal calls the end of a grant.
EVENT_OF_FATE = {
    Fate.REVOKED: "revoked",
    Fate.EXPIRED: "expired",
    Fate.ENDS_AT_TTL: "ends_at_ttl",
    Fate.STATIC: "ends_at_ttl",
}


class LeaseEvents:
    """Tells a recorder what happens to one lease; instants in wall-clock seconds.

    Args:
        scope: the lease's scope.
        clock: reads time.
        recorder: is told.

    Attributes:
        renewals: how often there were later terms for the same credentials.
        failures: how many tries have failed.
        last_failure: the kind of error of the last of them.
    """

    def __init__(self, scope: str, clock: Clock, recorder: Recorder) -> None:
        self._scope = scope
        self._clock = clock
        self._recorder = recorder
        self.renewals = self.failures = 0
        self.last_failure: str | None = None
        self._expired = 0  # the latest generation of which this has been told

    def issued(self, grant: Grant, took: float) -> None:
        """The first credentials, or new ones beside the old; `took` in seconds."""
        name = "issued" if grant.terms.generation == 1 else "replaced"
        self._record(name, ms=round(took * 1000, 1), **_terms(grant))

    def renewed(self, grant: Grant) -> None:
        """Later terms for the same credentials."""
        self.renewals += 1
        self._record("renewed", **_terms(grant))

    def capped(self, grant: Grant, reason: str) -> None:
        """There are no later terms worth having: the credentials are replaced next."""
        self._record(
            "capped",
            generation=grant.terms.generation,
            seconds_left=self._left(grant),
            reason=reason,
        )

    def failed(self, error: Failure, left: float, pause: float) -> None:
        """A try that failed, with `left` seconds of life and the next in `pause`."""
        self.failures += 1
        self.last_failure = type(error).__name__
        detail: dict[str, Any] = {
            "error": self.last_failure,
            "transient": not refused(error),
            "seconds_left": round(left, 3),
            "next_try_in": round(pause, 3),
        }
        if isinstance(error, IssuerThrottled):
            self._record("throttled", retry_after=error.retry_after, **detail)
        else:
            self._record("renewal_failed", **detail)

    def doomed(self, deadline: float, error: Failure) -> None:
        """As far as anybody knows, it ends at monotonic `deadline`."""
        detail = end_at(deadline, self._clock)
        self._record("doomed", **detail, error=type(error).__name__)

    def expired(self, grant: Grant) -> None:
        """It has run out, and nothing has taken its place; told once."""
        generation = grant.terms.generation
        if generation > self._expired:
            self._expired = generation
            self._record(
                "expired", generation=generation, lease_id=grant.terms.lease_id
            )

    def rejected(self, grant: Grant) -> None:
        """A server refuses credentials that should live."""
        self._record("rejected", generation=grant.terms.generation)

    def ended(self, ending: Ending, outcome: Outcome) -> None:
        """What became of a generation when it was no longer wanted."""
        generation = ending.terms.generation
        if outcome.fate is Fate.EXPIRED and generation <= self._expired:
            return
        left = ending.terms.deadline - self._clock.monotonic()
        self._record(
            EVENT_OF_FATE[outcome.fate],
            generation=generation,
            lease_id=ending.terms.lease_id,
            seconds_left=round(max(left, 0.0), 3),
            **({"reason": outcome.reason} if outcome.reason else {}),
        )

    def shredded(self, figures: Mapping[str, Any]) -> None:
        """What was found and wiped in memory (`ShredReport.figures`)."""
        self._record("shredded", **figures)

    def _left(self, grant: Grant) -> float:
        return round(grant.terms.remaining(self._clock.monotonic()), 3)

    def _record(self, name: str, **detail: Any) -> None:
        # A recorder is told to never raise; a broken one must not break a lease.
        with suppress(OSError, ValueError):
            self._recorder.record(
                Event(name, self._scope, self._clock.wall(), os.getpid(), detail)
            )


def end_at(deadline: float, clock: Clock) -> dict[str, float]:
    """How an end at a monotonic second is told: by the wall clock, and as time left."""
    left = deadline - clock.monotonic()
    return {"deadline": round(clock.wall() + left, 3), "seconds_left": round(left, 3)}


def _terms(grant: Grant) -> dict[str, Any]:
    terms = grant.terms
    return {
        "generation": terms.generation,
        "lease_id": terms.lease_id,
        "lifetime": round(terms.lifetime, 3),
        "expires_at": round(terms.expires_at, 3),
    }
