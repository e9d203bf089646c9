"""What is called with each event, and hands it to spans and to metrics."""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.trace import TracerProvider, get_tracer_provider

from mlsecrets import Event

from ._metrics import LeaseMetrics
from ._spans import LeaseSpans

#: The instrumentation scope of all of it.
NAME = "mlsecrets"


class Telemetry:
    """For ``configure(on_event=Telemetry())``.

    Args:
        tracer_provider: where spans go; the application's global one if None.
        meter_provider: where metrics go; likewise.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        tracers = tracer_provider or get_tracer_provider()
        meters = meter_provider or get_meter_provider()
        self._spans = LeaseSpans(tracers.get_tracer(NAME))
        self._metrics = LeaseMetrics(meters.get_meter(NAME))

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        self._spans.note(event)
        self._metrics.note(event)
