"""`lease-timeline.svg`: the leases of the run, its phases, and its reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlsecrets.timeline import Activity, Phase, Timeline

from .journal import Line


def timeline(
    journal: Iterable[Line],
    reads: Sequence[Line],
    told: Sequence[Line],
    *,
    title: str,
) -> Timeline:
    """The picture.

    Args:
        journal: the events to show.
        reads: ``at`` and ``ok`` of each.
        told: the start of each phase (``name``, ``at``), in their order.
        title: the line above it.
    """
    lines = list(journal)
    end = max(line["at"] for line in [*lines, *reads, *told])
    ends = [*(line["at"] for line in told[1:]), end]
    return Timeline.of(
        lines,
        title=title,
        phases=[
            Phase(line["name"], line["at"], until)
            for line, until in zip(told, ends, strict=True)
        ],
        activities=[
            Activity(
                "reads",
                [read["at"] for read in reads if read["ok"]],
                [read["at"] for read in reads if not read["ok"]],
            )
        ],
    )
