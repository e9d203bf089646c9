"""How a lease is shown: one line of text, and the same in HTML."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape

from mlsecrets.clock import SYSTEM_CLOCK

from ._status import State, Status

#: A shape and a color for each state. The text takes the color of the page, so that it
#: reads in light and in dark themes; these stand out from both.
LOOKS = {
    State.OPEN: ("●", "#2a9152"),
    State.FAILING: ("◐", "#b8741a"),
    State.DOOMED: ("▲", "#d1572a"),
    State.EXPIRED: ("✕", "#d64550"),
    State.ENDED: ("■", "#7f858d"),
}
#: No class, sheet or script: they are stripped from notebooks that are not trusted.
_BOX = (
    "display: inline-block; margin: 2px 0; padding: 4px 12px 4px 10px; "
    "border: 1px solid #7f858d; border-left: 5px solid {color}; border-radius: 3px; "
    "font-family: system-ui, sans-serif; font-size: 13px; line-height: 1.5"
)


@dataclass(frozen=True)
class Badge:
    """A lease's status, as notebooks and terminals show it.

    Attributes:
        status: of which lease, and how it is.
        at: wall-clock epoch seconds of that: a saved picture says how old it is.
    """

    status: Status
    at: float

    @classmethod
    def now(cls, status: Status) -> Badge:
        """How it is at this moment."""
        return cls(status, SYSTEM_CLOCK.wall())

    def __str__(self) -> str:
        state = self.status.state(self.at)
        return f"{LOOKS[state][0]} {self.status.scope}: {state.value}{self._terms()}"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: object = None
    ) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html()}

    def html(self) -> str:
        """The line, in a box."""
        state = self.status.state(self.at)
        shape, color = LOOKS[state]
        return (
            f'<div role="status" style="{_BOX.format(color=color)}">'
            f'<span aria-hidden="true" style="color: {color}">{shape}</span> '
            f"<b>{escape(self.status.scope)}</b>: <b>{state.value}</b>"
            f"{escape(self._terms())}</div>"
        )

    def _terms(self) -> str:
        known = self.status
        generation = f", generation {known.generation}" if known.generation else ""
        return self._instant() + generation + (known.reason and f": {known.reason}")

    def _instant(self) -> str:
        until, state = self.status.until, self.status.state(self.at)
        if until is None:
            return ""
        instant = _time_of_day(until)
        if state in {State.ENDED, State.EXPIRED}:
            return f" at {instant}"
        words = {State.OPEN: " until", State.DOOMED: ", ends at"}
        left = f"{_spoken(until - self.at)} left at {_time_of_day(self.at)}"
        return f"{words.get(state, ', valid until')} {instant} ({left})"


def _time_of_day(epoch: float) -> str:
    """By the kernel's zone, which it names: the reader may be elsewhere."""
    moment = datetime.fromtimestamp(epoch, timezone.utc).astimezone()
    return moment.strftime("%H:%M:%S %Z")


def _spoken(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
