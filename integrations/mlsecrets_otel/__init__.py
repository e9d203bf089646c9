"""OpenTelemetry spans and metrics of leases."""

from __future__ import annotations
