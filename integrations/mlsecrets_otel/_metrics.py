"""Metrics of leases: what happens to them, how long issuers take, how long is left."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from mlsecrets import Event
from mlsecrets.clock import SYSTEM_CLOCK

#: Events that bring a new end.
_TERMS = frozenset({"issued", "renewed", "replaced"})


class LeaseMetrics:
    """Counts the events of this process's leases.

    ============================== ========= ===========================================
    instrument                     unit      what
    ============================== ========= ===========================================
    ``mlsecrets.lease.events``     {event}   by ``event``, ``scope``, and ``error.type``
    ``mlsecrets.issue.duration``   s         of calls that brought new credentials
    ``mlsecrets.lease.time_left``  s         to the end of the credentials at hand
    ============================== ========= ===========================================

    Args:
        meter: makes the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        self._ends: dict[str, float] = {}
        self._events = meter.create_counter(
            "mlsecrets.lease.events", "{event}", "What happened to leases."
        )
        self._durations = meter.create_histogram(
            "mlsecrets.issue.duration", "s", "How long issuing took."
        )
        meter.create_observable_gauge(
            "mlsecrets.lease.time_left",
            [self._observe],
            "s",
            "Seconds to the end of the credentials at hand; negative once they ended.",
        )

    def note(self, event: Event) -> None:
        """Take note of an event."""
        scope = {"mlsecrets.scope": event.scope}
        kind = {"mlsecrets.event": event.name, **scope}
        if error := event.detail.get("error"):
            kind["error.type"] = str(error)
        self._events.add(1, kind)
        if event.name in _TERMS:
            self._ends[event.scope] = float(event.detail["expires_at"])
        if "ms" in event.detail:
            self._durations.record(float(event.detail["ms"]) / 1000, scope)
        if event.name == "shredded":
            self._ends.pop(event.scope, None)

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        now = SYSTEM_CLOCK.wall()
        # A copy, in one step: events come on another thread.
        for scope, end in list(self._ends.items()):
            yield Observation(end - now, {"mlsecrets.scope": scope})
