"""`lease-timeline.svg`: each lease's life, as a picture for a browser.

A bar for each generation from issue to its end, in full colour while it was in use; a
row of reads; the phases of the run on top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from .journal import Life, Line
from .svg import BAR, GREY, INK, RED, cross, diamond, legend, text

WIDTH = 1200
_LEFT, _RIGHT, _TOP = 130, 20, 64
_LANE, _GAP = 12, 16
_READS_HEIGHT = 46
_COLOURS = ("#0f766e", "#1d4ed8", "#b45309", "#6d28d9", "#be185d", "#4d7c0f")
_GRID = "#e5e7eb"
#: Seconds between two marks of the axis: the first that gives at most twenty.
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Phase:
    """A part of the run; instants in epoch seconds."""

    name: str
    start: float
    end: float


def phases(told: Sequence[Line], end: float) -> list[Phase]:
    """From what was told at the start of each (``name``, ``at``), to the end of all."""
    ends = [*(line["at"] for line in told[1:]), end]
    return [
        Phase(line["name"], line["at"], until)
        for line, until in zip(told, ends, strict=True)
    ]


def lanes(lives: Iterable[Life]) -> list[int]:
    """A lane for each life, so that no two that overlap share one."""
    free: list[float] = []
    chosen = []
    for life in lives:
        lane = next(
            (number for number, until in enumerate(free) if until <= life.start),
            len(free),
        )
        free[lane : lane + 1] = [life.end]
        chosen.append(lane)
    return chosen


class _Axis:
    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.seconds = max(end - start, 1.0)

    def x(self, at: float) -> float:
        share = min(max((at - self.start) / self.seconds, 0.0), 1.0)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def marks(self) -> list[int]:
        step = next((s for s in _STEPS if self.seconds / s <= 20), _STEPS[-1])
        return list(range(0, int(self.seconds) + 1, step))


def draw(
    lives: Sequence[Life],
    reads: Sequence[Line],
    told: Sequence[Phase],
    *,
    title: str,
) -> str:
    """The picture, as a text.

    Args:
        lives: of all scopes.
        reads: ``at`` and ``ok`` of each.
        told: the phases.
        title: the line above it.
    """
    starts = [life.start for life in lives] + [phase.start for phase in told]
    ends = [life.end for life in lives] + [phase.end for phase in told]
    axis = _Axis(min(starts, default=0.0), max(ends, default=1.0))
    body: list[str] = []
    y = _TOP
    scopes = list(dict.fromkeys(life.scope for life in lives))
    for number, scope in enumerate(scopes):
        mine = [life for life in lives if life.scope == scope]
        colour = _COLOURS[number % len(_COLOURS)]
        y += _draw_scope(body, axis, scope, mine, colour, y) + _GAP
    y += _draw_reads(body, axis, reads, y) + _GAP
    frame = [*_draw_phases(axis, told, y), *_draw_axis(axis, y)]
    height = y + 64
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            ' font-family="system-ui, sans-serif" font-size="11">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            text(_LEFT, 20, title, size=14),
            *frame,
            *body,
            *legend(_LEFT, height - 14),
            "</svg>\n",
        ]
    )


def _draw_scope(
    body: list[str], axis: _Axis, scope: str, mine: list[Life], colour: str, y: int
) -> int:
    """One scope's rows; how high they are."""
    chosen = lanes(mine)
    body.append(text(_LEFT - 8, y + BAR, scope, anchor="end", colour=colour))
    body.append(
        text(
            _LEFT - 8, y + BAR + 12, f"{len(mine)} generation(s)", anchor="end", size=9
        )
    )
    for life, lane in zip(mine, chosen, strict=True):
        top = y + lane * _LANE
        x, used, end = map(axis.x, (life.start, life.in_use_until, life.end))
        said = (
            f"{scope}, generation {life.generation}: "
            f"{life.start - axis.start:.1f} s to {life.end - axis.start:.1f} s, "
            f"{life.fate}"
        )
        body += [
            '<g class="life">',
            f"<title>{escape(said)}</title>",
            f'<rect class="grant" x="{x}" y="{top}" width="{max(end - x, 1):.1f}"'
            f' height="{BAR}" rx="2" fill="{colour}" fill-opacity="0.25"/>',
            f'<rect x="{x}" y="{top}" width="{max(used - x, 1):.1f}"'
            f' height="{BAR}" rx="2" fill="{colour}"/>',
        ]
        body += [diamond(axis.x(at), top) for at in life.renewals]
        if life.fate == "revoked":
            body.append(cross(end, top))
        body.append("</g>")
    return (max(chosen, default=0) + 1) * _LANE + 6


def _draw_reads(body: list[str], axis: _Axis, reads: Sequence[Line], y: int) -> int:
    """Reads a second, as columns; each failed read as a red line."""
    good = [read["at"] for read in reads if read["ok"]]
    bad = [read["at"] for read in reads if not read["ok"]]
    each = Counter(int(at - axis.start) for at in good)
    most = max(each.values(), default=1)
    body.append(text(_LEFT - 8, y + 12, f"{len(good)} reads", anchor="end"))
    for row, words in enumerate((f"at most {most}/s", f"{len(bad)} failed"), start=2):
        body.append(text(_LEFT - 8, y + 12 * row, words, anchor="end", size=9))
    for second, count in sorted(each.items()):
        x, end = axis.x(axis.start + second), axis.x(axis.start + second + 1)
        high = round(_READS_HEIGHT * count / most, 1)
        body.append(
            f'<rect class="reads" x="{x}" y="{y + _READS_HEIGHT - high:.1f}"'
            f' width="{max(end - x - 0.5, 0.5):.1f}" height="{high}" fill="{GREY}"/>'
        )
    body += [
        f'<line class="failed" x1="{axis.x(at)}" x2="{axis.x(at)}" y1="{y}"'
        f' y2="{y + _READS_HEIGHT}" stroke="{RED}"/>'
        for at in bad
    ]
    return _READS_HEIGHT


def _draw_phases(axis: _Axis, told: Sequence[Phase], bottom: int) -> list[str]:
    """Bands behind everything; names that would not fit are in the tooltip alone."""
    drawn = []
    for number, phase in enumerate(told):
        x, end = axis.x(phase.start), axis.x(phase.end)
        fill = "#f8fafc" if number % 2 else "#eef2f7"
        said = f"{phase.name}: {phase.end - phase.start:.1f} s"
        drawn += [
            f'<g class="phase"><title>{escape(said)}</title>',
            f'<rect x="{x}" y="32" width="{end - x:.1f}" height="{bottom - 32}"'
            f' fill="{fill}"/></g>',
        ]
        if end - x > 7 * len(phase.name):
            drawn.append(text((x + end) / 2, 46, phase.name, anchor="middle"))
    return drawn


def _draw_axis(axis: _Axis, y: int) -> list[str]:
    drawn = [
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="{INK}"/>'
    ]
    for second in axis.marks():
        x = axis.x(axis.start + second)
        drawn += [
            f'<line x1="{x}" x2="{x}" y1="52" y2="{y + 4}" stroke="{_GRID}"/>',
            text(x, y + 16, f"{second} s", anchor="middle", size=10),
        ]
    return drawn
