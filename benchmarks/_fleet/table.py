"""What was found, for a terminal or for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .node import Kind
from .trial import Calm, Outage, Trial


def calm_table(
    trials: Sequence[Trial], found: Sequence[Calm], *, markdown: bool
) -> str:
    """A line for each fleet that nothing befell."""
    head = ["nodes", "credential", "start", "rule", "calls in the fullest second"]
    head += ["calls/s later", "peak/mean: 0-3", "3-6", "6-12 lives", "chance"]
    rows = [
        [
            f"{trial.nodes:,}".replace(",", " "),
            _kind(trial.kind),
            f"over {trial.start:.0f} s" if trial.start else "at once",
            trial.rule,
            str(result.first),
            _short(result.rate),
            *(f"{peak:.2f}" for peak in result.peaks),
            f"{result.chance:.2f}",
        ]
        for trial, result in zip(trials, found, strict=True)
    ]
    return _lines([head, *rows], markdown=markdown)


def outage_table(
    trials: Sequence[Trial], found: Sequence[Outage], *, markdown: bool
) -> str:
    """A line for each fleet whose issuer went away."""
    head = ["credential", "issuer then", "rule", "calls/s before"]
    head += ["while away: mean", "peak", "after: peak", "wasted a node"]
    head += ["nodes ever without", "minutes each", "all valid after, s", "echo"]
    rows = [
        [
            _kind(trial.kind),
            f"{trial.limit:g} x its usual calls" if trial.limit else "no limit",
            trial.rule,
            *map(_short, (result.rate, result.during, result.worst, result.recovery)),
            f"{result.wasted:.1f}",
            str(result.hungry),
            f"{result.minutes:.1f}",
            f"{result.all_valid:.0f}",
            f"{result.echo:.2f}",
        ]
        for trial, result in zip(trials, found, strict=True)
    ]
    return _lines([head, *rows], markdown=markdown)


def _kind(kind: Kind) -> str:
    life = f"{kind.lifetime / 60:.0f} min"
    if not kind.renewable:
        return f"{life}, replaced"
    told = "" if kind.told else ", not told"
    return f"{life}, renewed up to {kind.max_ttl / 3600:.0f} h{told}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _lines(rows: list[list[str]], *, markdown: bool) -> str:
    if markdown:
        rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
