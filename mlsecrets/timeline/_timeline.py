"""A picture of leases, for a file, a page or a notebook."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..events import Event
from ._activity import Activity, Phase
from ._axis import elapsed
from ._journal import Line, is_event, read
from ._lives import Row, rows
from ._page import facts, page
from ._picture import axis_of, counted, draw


class Timeline:
    """What became of leases, and of each of their credentials.

    Each scope of each process has a row, each generation of its credentials a bar:
    from issue to the end, in full colour while it was in use. Renewals, failures, and
    who else read or held the lease are marked. It holds no secret, as the journal holds
    none.

    Make one with `Timeline.of`. Where there is too much to be seen, bars are drawn
    together and rows left out; the picture says so.

    Attributes:
        strange: how many lines of the journal were no events, and are left out.
    """

    def __init__(
        self,
        leases: Sequence[Row],
        title: str,
        *,
        phases: Sequence[Phase] = (),
        activities: Sequence[Activity] = (),
        strange: int = 0,
    ) -> None:
        self._rows = leases
        self._title = title
        self._phases = phases
        self._activities = activities
        self.strange = strange

    @classmethod
    def of(
        cls,
        source: str | os.PathLike[str] | Iterable[Event | Line],
        *,
        title: str = "Leases",
        last: float | None = None,
        phases: Sequence[Phase] = (),
        activities: Sequence[Activity] = (),
    ) -> Timeline:
        """The picture of a journal.

        ::

            configure(journal="journal.jsonl")
            ...
            Timeline.of("journal.jsonl")

        Args:
            source: the path of a journal, or its events: as `Event`, or as their
                `Event.to_dict`.
            title: the line above it.
            last: show only so many seconds before the last event; what is alive then
                is cut at its beginning. All of it is shown, if absent.
            phases: parts of the run, drawn behind the leases.
            activities: what was done in the run, drawn below them.

        Raises:
            OSError: the journal cannot be read.
        """
        if isinstance(source, (str, os.PathLike)):
            lines, strange = read(Path(source))
        else:
            found = [one.to_dict() if isinstance(one, Event) else one for one in source]
            lines = [line for line in found if is_event(line)]
            strange = len(found) - len(lines)
        since = 0.0
        if last is not None:
            since = max((line["at"] for line in lines), default=0.0) - last
        return cls(
            rows(lines, since),
            title,
            phases=phases,
            activities=activities,
            strange=strange,
        )

    def svg(self) -> str:
        """The picture, as a file for browsers: light, or dark where that is wanted."""
        notes = []
        if self.strange:
            notes.append(f"{counted(self.strange, 'line')} of the journal: no events")
        return draw(
            self._rows,
            self._title,
            phases=self._phases,
            activities=self._activities,
            left_out=notes,
        )

    def html(self) -> str:
        """A page with the picture, and the same facts as tables below it.

        It needs nothing else: no script, no font, nothing from elsewhere.
        """
        return page(self._title, self.svg(), self._facts(opened=True))

    def _facts(self, *, opened: bool) -> str:
        axis = axis_of(self._rows, self._phases, self._activities)
        return facts(self._rows, axis.start, opened=opened)

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return self.svg() + self._facts(opened=False)

    def __repr__(self) -> str:
        leases = sum(row.counts["issued"] for row in self._rows)
        generations = sum(len(row.lives) for row in self._rows)
        instants = [life.start for row in self._rows for life in row.lives]
        seconds = max(instants) - min(instants) if instants else 0
        return (
            f"<Timeline of {counted(leases, 'lease')}, "
            f"{counted(generations, 'generation')}, {elapsed(seconds)}>"
        )
