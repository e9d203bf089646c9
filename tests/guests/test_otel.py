"""Spans and metrics say how leases fare, and hold no secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from mlsecrets import Event, configure, lease
from mlsecrets.devstack import DevStack
from mlsecrets.leaks import find_secrets
from mlsecrets_otel import Telemetry


class Exported:
    """An application's SDK, which keeps what it is given."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.metrics = InMemoryMetricReader()
        self.meters = MeterProvider([self.metrics])

    def telemetry(self) -> Telemetry:
        return Telemetry(self.tracers, self.meters)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._spans.get_finished_spans() if span.name == name]

    def points(self, name: str) -> list[Any]:
        data = self.metrics.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def exported() -> Iterator[Exported]:
    made = Exported()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


def scope_of(told: Any) -> str:
    """Of a span, or of a point of a metric."""
    return str(told.attributes["mlsecrets.scope"])


def told(name: str, at: float, scope: str = "data", **detail: Any) -> Event:
    return Event(name, scope, at, 1, detail)


def terms(generation: int, end: float) -> dict[str, Any]:
    return {
        "generation": generation,
        "lease_id": f"id/{generation}",
        "lifetime": 60.0,
        "expires_at": end,
        "ms": 250.0,
    }


def test_a_real_lease_is_a_span(platform: DevStack, exported: Exported) -> None:
    """With its replacements as children; its metrics add up; no secret in any."""
    replaced = threading.Event()
    configure(platform.manifest_path, on_event=exported.telemetry())
    with lease("train-data") as data:
        data.subscribe(lambda _: replaced.set(), "replaced")
        assert replaced.wait(20)
        left = {
            scope_of(point): point.value
            for point in exported.points("mlsecrets.lease.time_left")
        }
        spans = exported.spans("mlsecrets.issue")
        assert not find_secrets([span.to_json() for span in spans])
    configure()  # every event is told before it returns
    assert 0 < left["train-data"] <= 4
    assert "login:bao" in left
    spans = exported.spans("mlsecrets.lease")
    span = {scope_of(span): span for span in spans}["train-data"]
    happened = [event.name for event in span.events]
    assert happened[0] == "mlsecrets.issued"
    assert "mlsecrets.replaced" in happened
    assert happened[-1] == "mlsecrets.shredded"
    children: list[Any] = exported.spans("mlsecrets.issue")
    mine = [child for child in children if child.parent.span_id == span.context.span_id]
    assert len(mine) >= 2
    assert all(child.end_time > child.start_time for child in mine)
    assert exported.points("mlsecrets.lease.time_left") == []


def test_a_lease_that_runs_out_is_an_error(exported: Exported) -> None:
    """And one that goes on after all is not."""
    telemetry = exported.telemetry()
    for scope, then in (("data", "expired"), ("other", "replaced")):
        telemetry(told("issued", 90.0, scope, **terms(1, 150.0)))
        telemetry(told("replaced", 100.0, scope, **terms(2, 160.0)))
        telemetry(
            told("renewal_failed", 130.0, scope, error="BadAnswer", seconds_left=30.0)
        )
        telemetry(told("doomed", 140.0, scope, error="BadAnswer", seconds_left=20.0))
        telemetry(told(then, 150.0, scope, **terms(3, 210.0)))
        telemetry(told("shredded", 170.0, scope))
    lost, saved = exported.spans("mlsecrets.lease")
    assert (lost.status.status_code, lost.status.description) == (
        StatusCode.ERROR,
        "expired",
    )
    assert saved.status.status_code is StatusCode.UNSET
    assert (lost.start_time, lost.end_time) == (int(89.75e9), int(170e9))
    failed = lost.events[2].attributes
    assert failed is not None
    assert failed["mlsecrets.error"] == "BadAnswer"
    counts = {
        (scope_of(point), point.attributes["mlsecrets.event"]): (
            point.value,
            point.attributes.get("error.type"),
        )
        for point in exported.points("mlsecrets.lease.events")
    }
    assert counts["data", "renewal_failed"] == (1, "BadAnswer")
    assert counts["other", "replaced"] == (2, None)
    durations = exported.points("mlsecrets.issue.duration")
    assert {point.sum / point.count for point in durations} == {0.25}


def test_spans_belong_to_the_run_they_are_made_in(exported: Exported) -> None:
    """Events come on threads that know of no run."""
    tracer = exported.tracers.get_tracer("app")
    with tracer.start_as_current_span("train") as run:
        telemetry = exported.telemetry()
    telemetry(told("issued", 100.0, **terms(1, 160.0)))
    telemetry(told("shredded", 110.0))
    (span,) = exported.spans("mlsecrets.lease")
    assert span.parent is not None
    assert span.parent.span_id == run.get_span_context().span_id


def test_what_began_before_is_left_out(exported: Exported) -> None:
    """Events of a lease whose beginning nobody told."""
    telemetry = exported.telemetry()
    telemetry(told("replaced", 100.0, **terms(3, 160.0)))
    telemetry(told("shredded", 110.0))
    assert exported.spans("mlsecrets.lease") == []


def test_a_lease_that_begins_again_ends_the_one_before(exported: Exported) -> None:
    """Its owner was killed, and another process took over."""
    telemetry = exported.telemetry()
    telemetry(told("issued", 100.0, **terms(1, 160.0)))
    telemetry(told("issued", 120.0, **terms(1, 180.0)))
    (before,) = exported.spans("mlsecrets.lease")
    assert before.end_time == int(120e9)
