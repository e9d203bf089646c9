"""OpenTelemetry spans and metrics of leases.

::

    from mlsecrets import configure
    from mlsecrets_otel import Telemetry

    configure(on_event=Telemetry())     # the application's own providers are used

Nothing is exported unless the application has set up an SDK: this package needs only
the API of OpenTelemetry. What is told is what the journal holds: names, numbers, and
hashes of lease ids; no secret.
"""

from __future__ import annotations

from ._telemetry import Telemetry

__all__ = ["Telemetry"]
