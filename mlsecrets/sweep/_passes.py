"""The steps of one sweep: look, stop, overwrite, let go, look again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeAlias

from ..clock import SYSTEM_CLOCK, Clock
from ..memory._maps import Regions
from ._fill import Filler
from ._forms import Layout
from ._freeze import NotFrozen, frozen
from ._registers import can_be_read, save_registers
from ._runs import Run, Search
from ._target import Target
from ._wholes import WholeSearch

#: Of a `SweepReport`, by the names of its fields.
Figures: TypeAlias = dict[str, Any]
#: Looks; the last one only counts.
MOST_PASSES = 6
#: Runs overwritten in one stop, so that none is long.
MOST_AT_ONCE = 500


class Passes:
    """One sweep of another process.

    Args:
        layout: what to look for.
        pid: of the process.
        excluded: told the figures so far, gives where the process's own locked memory
            lies, which is left alone.
        stack: what is held until the sweep is over.
    """

    def __init__(
        self,
        layout: Layout,
        pid: int,
        excluded: Callable[[Figures], Iterable[tuple[int, int]]],
        stack: ExitStack,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._layout = layout
        self._pid = pid
        self._excluded = excluded
        self._stack = stack
        self._clock = clock
        self._notes: list[str] = []
        self._figures: Figures = {
            "unsearched": layout.unsearched,
            "notes": self._notes,
            "wiped": 0,
            "frozen_seconds": 0.0,
            "longest_freeze": 0.0,
        }

    def run(self) -> Figures:
        """Sweep; the fields of a `SweepReport`."""
        if not self._layout.forms:
            refused = "no value is long and varied enough to look for"
            return {**self._figures, "refused": refused}
        if not can_be_read():
            self._notes.append("registers were not looked at")
        if self._layout.whole:
            self._notes.append("values with spaces were looked for as a whole only")
        try:
            self._sweep()
        except NotFrozen as error:
            self._figures["refused"] = f"this process cannot be stopped: {error}"
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            self._figures["refused"] = f"this process cannot be read: {reason}"
        return self._figures

    def _sweep(self) -> None:
        target = Target(self._pid)
        search = self._search(target)
        filler = Filler(self._layout, target, self._stack)
        for number in range(1, MOST_PASSES + 1):
            before = search.scanned_bytes
            regions = Regions(partial(self._excluded, self._figures), self._pid)
            runs = [run for part in regions.runs() for run in search.runs(*part)]
            if number == 1:
                self._tell_found(runs, regions)
            self._figures |= {
                "passes": number,
                "left": len(runs),
                "scanned_bytes": search.scanned_bytes - before,
            }
            if number == MOST_PASSES or (number > 1 and not runs):
                return
            # The first time also where there is nothing to wipe: for the registers.
            for few in _batches(runs) or [()]:
                self._stop_and_fill(few, regions, filler, search)
            if not runs:
                return

    def _search(self, target: Target) -> Search:
        try:
            from ._fragments import FragmentSearch
        except ImportError:
            self._notes.append("no numpy: fragments were not looked for")
            return WholeSearch(self._layout, target, self._stack)
        return FragmentSearch(self._layout, target, self._stack)

    def _tell_found(self, runs: Sequence[Run], regions: Regions) -> None:
        full = sum(run.full for run in runs)
        where = Counter(regions.kind_at(run.address) for run in runs)
        self._figures |= {
            "copies": full,
            "fragments": len(runs) - full,
            "regions": dict(where),
        }

    def _stop_and_fill(
        self, runs: Sequence[Run], regions: Regions, filler: Filler, search: Search
    ) -> None:
        saved = 0
        begun = self._clock.monotonic()
        with frozen(self._pid, self._clock) as held:
            self._figures["threads"] = len(held.threads)
            if runs:
                self._figures["wiped"] += filler.fill(runs, regions.lines)
            if can_be_read():
                saved = save_registers(held.threads, *search.scratch)
        took = self._clock.monotonic() - begun
        self._figures["frozen_seconds"] += took
        self._figures["longest_freeze"] = max(self._figures["longest_freeze"], took)
        self._figures["registers"] = search.pieces(saved)


def _batches(runs: Sequence[Run]) -> list[Sequence[Run]]:
    return [runs[at : at + MOST_AT_ONCE] for at in range(0, len(runs), MOST_AT_ONCE)]
