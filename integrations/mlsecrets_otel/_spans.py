"""A span for each lease, from its first credentials to the wiping of the last.

``mlsecrets.lease`` has an event for everything that happens to it, and a child
``mlsecrets.issue`` for each call that brought new credentials. It belongs to the span
in which the `Telemetry` was made, if there was one: events come on threads that know of
no request and no run.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.context import get_current
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from mlsecrets import Event
from mlsecrets.receipt import lease_hash

#: Parts of an event that may become attributes: numbers, and words of our own.
_TOLD = (
    "generation",
    "lifetime",
    "seconds_left",
    "next_try_in",
    "error",
    "transient",
    "reason",
)
#: Events that say that something is wrong, and those that say that it no longer is.
_WRONG, _WELL = frozenset({"doomed", "expired"}), frozenset({"renewed", "replaced"})


class LeaseSpans:
    """Turns the events of this process's leases into spans.

    Args:
        tracer: makes them.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._around = get_current()
        self._open: dict[str, Span] = {}
        #: What is wrong with some of them. A span's status is set once, at its end:
        #: one that was said to be well cannot be an error any more.
        self._wrong: dict[str, str] = {}

    def note(self, event: Event) -> None:
        """Take note of an event; one at a time, in order."""
        if event.name == "issued":
            self._begin(event)
        span = self._open.get(event.scope)
        if span is None:  # what began before we were told, or never came to be
            return
        if event.name in {"issued", "replaced"}:
            self._issue(span, event)
        span.add_event(f"mlsecrets.{event.name}", _attributes(event), _ns(event.at))
        if event.name in _WRONG:
            self._wrong[event.scope] = event.name
        elif event.name in _WELL:
            self._wrong.pop(event.scope, None)
        elif event.name == "shredded":
            self._end(event)

    def _begin(self, event: Event) -> None:
        if event.scope in self._open:  # its owner went, and it goes on elsewhere
            self._end(event)
        self._open[event.scope] = self._tracer.start_span(
            "mlsecrets.lease",
            self._around,
            attributes={"mlsecrets.scope": event.scope},
            start_time=_ns(event.at - _took(event)),
        )

    def _end(self, event: Event) -> None:
        span, wrong = self._open.pop(event.scope), self._wrong.pop(event.scope, None)
        if wrong is not None:
            span.set_status(Status(StatusCode.ERROR, wrong))
        span.end(_ns(event.at))

    def _issue(self, lease: Span, event: Event) -> None:
        self._tracer.start_span(
            "mlsecrets.issue",
            set_span_in_context(lease),
            attributes={"mlsecrets.scope": event.scope, **_attributes(event)},
            start_time=_ns(event.at - _took(event)),
        ).end(_ns(event.at))


def _attributes(event: Event) -> dict[str, Any]:
    told = {
        f"mlsecrets.{name}": event.detail[name]
        for name in _TOLD
        if event.detail.get(name) is not None
    }
    if lease_id := event.detail.get("lease_id"):
        told["mlsecrets.lease"] = lease_hash(str(lease_id))
    return told


def _took(event: Event) -> float:
    return float(event.detail.get("ms", 0.0)) / 1000


def _ns(at: float) -> int:
    return int(at * 1e9)
