"""From instants to places on the picture, and the marks of its axis."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: Seconds between two marks: the first that gives at most `_MOST` is taken.
_STEPS = (
    *(1, 2, 5, 10, 20, 30),
    *(_MINUTE * n for n in (1, 2, 5, 10, 20, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28, 91, 364)),
)
_MOST = 16


class Axis:
    """Time from left to right.

    Args:
        start, end: epoch seconds at its ends.
        left, right: where they lie.
    """

    def __init__(self, start: float, end: float, left: float, right: float) -> None:
        self.start = start
        self.seconds = max(end - start, 1.0)
        self.end = start + self.seconds
        self._left = left
        self._width = right - left

    def x(self, at: float) -> float:
        """Where an instant lies; beyond the ends, at them."""
        share = min(max((at - self.start) / self.seconds, 0.0), 1.0)
        return round(self._left + share * self._width, 1)

    def width(self, seconds: float) -> float:
        """How wide a duration is."""
        return seconds / self.seconds * self._width

    def duration(self, width: float) -> float:
        """How many seconds are so wide."""
        return width / self._width * self.seconds

    def marks(self) -> list[tuple[float, str]]:
        """Places, and what to write there."""
        step = next((s for s in _STEPS if self.seconds / s <= _MOST), None)
        if step is None:
            step = int(self.seconds / _MOST) + 1
        return [
            (self.x(self.start + second), elapsed(second))
            for second in range(0, int(self.seconds) + 1, step)
        ]


def elapsed(seconds: float) -> str:
    """A duration in its two largest units: ``5 s``, ``1 min 30 s``, ``2 h``, ``3 d``.

    Below ten seconds with a decimal, if it has one.
    """
    if seconds < 10 and round(seconds, 1) % 1:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts: list[str] = []
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
