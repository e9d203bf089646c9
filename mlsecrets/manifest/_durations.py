"""Durations as people write them: 10s, 5m, 1h30m, 2d."""

from __future__ import annotations

import re

from ._problems import Wrong, got

PATTERN = r"(?=[0-9])([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?"
"""What a duration looks like, for Python and for JSON Schema alike."""

LONGEST = 30 * 86400.0
"""Seconds: a credential that lives longer is not short-lived in any sense."""

_DURATION = re.compile(PATTERN)
_SECONDS = (86400, 3600, 60, 1)


def parse_duration(value: object) -> float:
    """Seconds.

    Raises:
        Wrong: not a duration, zero, or more than 30 days.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise Wrong(
            f"expected a duration with its unit, got the bare number {value}; "
            f'write "{value}s" for seconds'
        )
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(
            f'expected a duration such as "10s", "5m" or "1h30m", got {got(value)}'
        )
    seconds = float(
        sum(
            int(part[:-1]) * unit
            for part, unit in zip(match.groups(), _SECONDS, strict=True)
            if part
        )
    )
    if not 0 < seconds <= LONGEST:
        raise Wrong(
            f"expected a duration of more than 0s and at most 30d, got {got(value)}"
        )
    return seconds
