"""The picture: a row for each lease, time from left to right.

A bar for each generation from issue to its end, in full colour while it was in use.
What happened to the lease besides stands in a strip below its bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial

from ._activity import Activity, Phase
from ._axis import Axis, elapsed
from ._lives import LAPSED, OPEN, Life, Mark, Row
from ._shapes import (
    BAR,
    GREY,
    GRID,
    RED,
    SHADE,
    arrow,
    bar,
    cross,
    diamond,
    glyph,
    group,
    hatched,
    line,
    picture,
    stop,
    text,
)

WIDTH = 1200
_LEFT, _RIGHT = 200, 30
_LANE, _STRIP, _GAP, _LEAST = 14, 14, 14, 30
_ACTIVITY = 46
#: Bars that are narrower are drawn together with their neighbours.
_NARROW = 3.0
#: Marks of one kind that are closer are drawn as one.
_CLOSE = 10.0
#: Leases that are drawn, and bars above each other in one of them.
MOST_ROWS, _MOST_LANES = 40, 6
#: The widest that letters are on average, as a share of their size.
_LETTER = 0.56

#: What each mark is called: of one, and of several.
_CALLED = {
    "renewal_failed": ("a renewal failed", "renewals failed"),
    "throttled": ("the issuer asked to wait", "times the issuer asked to wait"),
    "doomed": ("doomed: it will not go on", "times doomed"),
    "capped": (
        "no later terms for these credentials",
        "times no later terms for the same credentials",
    ),
    "rejected": ("refused by a server", "refusals by a server"),
    "attached": ("a worker reads it", "workers read it"),
    "joined": ("a member holds it, too", "members hold it, too"),
    "left": ("a member let go of it", "members let go of it"),
    "refused": ("a process was refused", "processes were refused"),
    "owned": ("owned by this process from here on", "times taken over"),
}
#: And in the legend.
_SHORT = {
    "renewal_failed": "renewal failed",
    "throttled": "throttled",
    "doomed": "doomed",
    "capped": "no later terms",
    "rejected": "refused by a server",
    "attached": "worker attached",
    "joined": "member joined",
    "left": "member left",
    "refused": "process refused",
    "owned": "owner changed",
}


@dataclass
class Sketch:
    """What was drawn so far, and what of the whole it shows."""

    parts: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    merged: int = 0


def draw(
    rows: Sequence[Row],
    title: str,
    *,
    phases: Sequence[Phase] = (),
    activities: Sequence[Activity] = (),
    left_out: Iterable[str] = (),
) -> str:
    """The picture, as a text.

    Args:
        rows: of all leases; the first `MOST_ROWS` are drawn.
        title: the line above it.
        phases: parts of the run.
        activities: what was done in it.
        left_out: sentences on what it does not show.
    """
    axis = axis_of(rows, phases, activities)
    facts = summary(rows, axis)
    sketch = Sketch()
    top = 92 if phases else 72
    y = float(top)
    colours = {name: n for n, name in enumerate(dict.fromkeys(r.scope for r in rows))}
    processes = len({row.pid for row in rows})
    for row in rows[:MOST_ROWS]:
        y = _row(sketch, axis, row, colours[row.scope], y, several=processes > 1)
    for activity in activities:
        y = _activity(sketch, axis, activity, y)
    if not rows and not activities:
        words = "the journal tells of no lease"
        sketch.parts.append(text(WIDTH / 2, y + 20, words, anchor="middle", muted=True))
        y += 44
    notes = [*left_out]
    if sketch.merged:
        notes.append(
            f"{sketch.merged:,} generations that are too short for bars of their own "
            "are drawn together"
        )
    if len(rows) > MOST_ROWS:
        notes.append(f"{len(rows) - MOST_ROWS} more rows are not drawn")
    frame = [*_phases(axis, phases, top - 18, y), *_scale(axis, top - 8, y)]
    low = y + 40
    legend, low = _legend(sketch.kinds, low)
    for note in notes:
        legend.append(text(24, low, note, size=10, muted=True))
        low += 14
    head = [text(24, 30, title, size=16, bold=True), text(24, 49, facts, muted=True)]
    body = "\n".join([*head, *frame, *sketch.parts, *legend])
    return picture(title, "; ".join([facts, *notes]), WIDTH, low + 6, body)


def axis_of(
    rows: Sequence[Row], phases: Sequence[Phase], activities: Sequence[Activity]
) -> Axis:
    """From the first thing that is shown to the last that happened, and some room.

    A token that would have lived for a month more does not make the picture a month
    long.
    """
    happened = [at for phase in phases for at in (phase.start, phase.end)]
    for activity in activities:
        happened += [*activity.good, *activity.bad]
    ends = []
    for row in rows:
        for life in row.lives:
            happened += [life.start, *life.renewals]
            ends.append(life.end)
            if life.fate not in {OPEN, LAPSED}:
                happened.append(life.in_use_until)
        happened += [mark.at for mark in row.marks]
    start, last = min(happened, default=0.0), max(happened, default=0.0)
    span = last - start
    beyond = [end - last for end in ends if end > last]
    if not beyond:
        return Axis(start, last, _LEFT, WIDTH - _RIGHT)
    room = min(*beyond, span / 3) if span >= 1 else min(beyond)
    end = min(last + max(room, span * 0.2), last + max(beyond))
    return Axis(start, end, _LEFT, WIDTH - _RIGHT)


def summary(rows: Sequence[Row], axis: Axis) -> str:
    """When, how long, and how many of what: one line."""
    if not rows:
        return "nothing happened"
    begun = datetime.fromtimestamp(axis.start, timezone.utc)
    return ", ".join(
        [
            begun.strftime("%Y-%m-%d %H:%M:%S UTC"),
            elapsed(axis.seconds),
            counted(len({row.pid for row in rows}), "process", "processes"),
            counted(sum(row.counts["issued"] for row in rows), "lease"),
            counted(sum(len(row.lives) for row in rows), "generation"),
            counted(sum(row.counts["renewed"] for row in rows), "renewal"),
        ]
    )


def counted(count: int, one: str, several: str = "") -> str:
    """``1 lease``, ``2 leases``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def lanes(spans: Iterable[tuple[float, float]]) -> list[int]:
    """A lane for each, so that no two that overlap share one, while there are some."""
    free: list[float] = []
    chosen = []
    for start, end in spans:
        lane = next((n for n, until in enumerate(free) if until <= start), len(free))
        lane = min(lane, _MOST_LANES - 1)
        free[lane : lane + 1] = [end]
        chosen.append(lane)
    return chosen


def _row(
    sketch: Sketch, axis: Axis, row: Row, colour: int, y: float, *, several: bool
) -> float:
    """One lease's bars and marks; where the next row begins."""
    bundles = _bundles(axis, row.lives)
    spans = [(lives[0].start, max(life.end for life in lives)) for lives in bundles]
    chosen = lanes(spans)
    height = (max(chosen, default=-1) + 1) * _LANE
    name = row.scope or "no lease"
    short = name if len(name) <= 24 else f"{name[:23]}…"
    told = [f"process {row.pid}"] if several else []
    if row.lives or not several:
        told.append(counted(len(row.lives), "generation"))
    dot = f'<g transform="translate(0 {y:g})">{bar(24, 0, 4, colour, kind="key")}</g>'
    label = [text(34, y + BAR - 1, short, size=12, bold=True)]
    label.append(text(34, y + BAR + 12, ", ".join(told), size=10, muted=True))
    sketch.parts.append(group("row", name, dot, *label))
    for lives, lane in zip(bundles, chosen, strict=True):
        sketch.parts.append(_bars(sketch, axis, name, lives, colour, y + lane * _LANE))
    for mark in row.marks:
        if mark.kind == "shredded":
            x = axis.x(mark.at)
            said = f"{name}: the block was left, {_at(axis, mark.at)}"
            end = line(x, y - 3, x, y + max(height, _LANE), "line", GREY)
            sketch.parts.append(group("end", said, end))
            sketch.kinds.add("shredded")
    strip = _strip(sketch, axis, name, row.marks, y + height + _STRIP / 2)
    return y + max(height + (_STRIP if strip else 0), _LEAST) + _GAP


def _bundles(axis: Axis, lives: Sequence[Life]) -> list[list[Life]]:
    """Lives one by one; but those too narrow to be seen with their neighbours."""
    bundles: list[list[Life]] = []
    open_until = float("-inf")
    for life in lives:
        narrow = axis.width(life.end - life.start) < _NARROW
        if narrow and bundles and life.start <= open_until:
            bundles[-1].append(life)
        else:
            bundles.append([life])
        open_until = life.end + axis.duration(_NARROW) if narrow else float("-inf")
    return bundles


def _bars(
    sketch: Sketch, axis: Axis, name: str, lives: list[Life], colour: int, top: float
) -> str:
    """One generation, or several that are drawn together."""
    life = lives[0]
    x, end = axis.x(life.start), axis.x(max(one.end for one in lives))
    if len(lives) > 1:
        sketch.merged += len(lives)
        said = (
            f"{name}: {len(lives)} generations, {_at(axis, life.start)} to "
            f"{_at(axis, lives[-1].end)}"
        )
        kind = "grant merged"
        return group("life", said, bar(x, top, max(end - x, 1), colour, kind=kind))
    used = axis.x(life.in_use_until)
    said = (
        f"{name}, generation {life.generation}: {_at(axis, life.start)} to "
        f"{_at(axis, life.end)}, {life.fate}"
    )
    if life.renewals:
        said += f", renewed {counted(len(life.renewals), 'time')}"
    shapes = [
        bar(x, top, max(end - x, 1), colour, kind="grant bar", opacity=0.28),
        bar(x, top, max(used - x, 1), colour, kind="use bar"),
    ]
    if end > used:
        sketch.kinds.add("overlap")
    if life.doomed is not None:
        begun, until = map(axis.x, life.doomed)
        shapes.append(hatched(begun, top, max(until - begun, 2)))
    drawn = float("-inf")
    for at in life.renewals:
        if axis.x(at) - drawn >= _CLOSE:
            drawn = axis.x(at)
            shapes.append(diamond(drawn, top))
            sketch.kinds.add("renewed")
    if life.end > axis.end or life.fate == OPEN:
        shapes.append(arrow(end, top))
        sketch.kinds.add("open")
    elif life.fate == "revoked":
        shapes.append(cross(end, top))
        sketch.kinds.add("revoked")
    elif life.failed:
        shapes.append(stop(end, top))
        sketch.kinds.add("stop")
    return group("life", said, *shapes)


def _strip(
    sketch: Sketch, axis: Axis, name: str, marks: Sequence[Mark], y: float
) -> bool:
    """Marks in a line below the bars; whether there are any."""
    clusters: list[list[Mark]] = []
    newest: dict[str, list[Mark]] = {}
    for mark in marks:
        if mark.kind not in _CALLED:
            continue
        last = newest.get(mark.kind)
        if last and axis.x(mark.at) - axis.x(last[0].at) < _CLOSE:
            last.append(mark)
        else:
            newest[mark.kind] = [mark]
            clusters.append(newest[mark.kind])
    taken = float("-inf")
    for cluster in clusters:
        first = cluster[0]
        x = max(axis.x(first.at), min(taken + _CLOSE, axis.x(first.at) + 2 * _CLOSE))
        taken = x
        shape = glyph(first.kind, x, y)
        sketch.parts.append(group("mark", _said(axis, name, cluster), shape))
        sketch.kinds.add(first.kind)
    return bool(clusters)


def _said(axis: Axis, name: str, cluster: Sequence[Mark]) -> str:
    first, last = cluster[0], cluster[-1]
    one, several = _CALLED[first.kind]
    words = ", ".join(list(dict.fromkeys(m.words for m in cluster if m.words))[:5])
    when = _at(axis, first.at)
    if len(cluster) > 1:
        one, when = f"{len(cluster)} {several}", f"{when} to {_at(axis, last.at)}"
    return f"{name}: {one}, {when}" + (f" ({words})" if words else "")


def _activity(sketch: Sketch, axis: Axis, activity: Activity, y: float) -> float:
    """How often something was done, as columns; each failure as a line."""
    each: dict[int, int] = {}
    seconds = max(1.0, axis.duration(_NARROW))
    for at in activity.good:
        column = int((at - axis.start) / seconds)
        each[column] = each.get(column, 0) + 1
    most = max(each.values(), default=1)
    rate = f"at most {most / seconds:.3g}/s"
    name = f"{len(activity.good)} {activity.name}"
    sketch.parts.append(text(34, y + 12, name, size=12, bold=True))
    for row, words in enumerate((rate, f"{len(activity.bad)} failed"), start=1):
        sketch.parts.append(text(34, y + 12 + 13 * row, words, size=10, muted=True))
    for column, count in sorted(each.items()):
        start = axis.start + column * seconds
        x, end = axis.x(start), axis.x(start + seconds)
        high = round(_ACTIVITY * count / most, 1)
        sketch.parts.append(
            f'<rect class="activity muted" x="{x:g}" y="{y + _ACTIVITY - high:g}"'
            f' width="{max(end - x - 0.5, 0.5):.1f}" height="{high:g}"'
            f' fill="{GREY}" fill-opacity="0.7"/>'
        )
    for x in dict.fromkeys(map(axis.x, activity.bad)):
        sketch.parts.append(line(x, y, x, y + _ACTIVITY, "failed redline", RED))
    if activity.bad:
        sketch.kinds.add("failed")
    return y + _ACTIVITY + _GAP


def _phases(
    axis: Axis, phases: Sequence[Phase], top: float, bottom: float
) -> list[str]:
    """Bands behind everything; names that would not fit are in the tooltip alone."""
    drawn = []
    for number, phase in enumerate(phases):
        x, end = axis.x(phase.start), axis.x(phase.end)
        said = f"{phase.name}: {elapsed(phase.end - phase.start)}"
        band = (
            f'<rect class="shade{number % 2}" x="{x:g}" y="{top - 14:g}"'
            f' width="{end - x:.1f}" height="{bottom - top + 14:g}"'
            f' fill="{SHADE[number % 2]}"/>'
        )
        drawn.append(group("phase", said, band))
        if end - x > 11 * _LETTER * len(phase.name) + 6:
            middle = (x + end) / 2
            drawn.append(text(middle, top, phase.name, anchor="middle", muted=True))
    return drawn


def _scale(axis: Axis, top: float, bottom: float) -> list[str]:
    """Lines behind everything, and the time below."""
    drawn = []
    for x, words in axis.marks():
        drawn.append(line(x, top, x, bottom, "grid", GRID))
        drawn.append(text(x, bottom + 15, words, anchor="middle", size=10, muted=True))
    drawn.append(line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "line", GREY))
    return drawn


def _legend(kinds: set[str], y: float) -> tuple[list[str], float]:
    """What the shapes mean that are there; where the next line goes."""
    items: list[tuple[float, str, Callable[[float, float], str]]]
    items = [(22, "in use", partial(_sample, 1.0))]
    if "overlap" in kinds:
        items.append((22, "replaced or let go of, still valid", partial(_sample, 0.28)))
    ends: dict[str, tuple[str, Callable[[float, float], str]]] = {
        "renewed": ("renewed", diamond),
        "revoked": ("revoked", cross),
        "stop": ("expired, nothing took its place", stop),
        "open": ("lives on", arrow),
        "shredded": ("left", partial(_upright, "line", GREY)),
        "failed": ("failed", partial(_upright, "redline", RED)),
    }
    items += [
        (12, words, partial(_beside, shape))
        for kind, (words, shape) in ends.items()
        if kind in kinds
    ]
    items += [
        (12, words, partial(_small, kind))
        for kind, words in _SHORT.items()
        if kind in kinds
    ]
    x, drawn = 24.0, ['<g class="legend">']
    for width, words, shape in items:
        wide = width + len(words) * 10.5 * _LETTER + 20
        if x + wide > WIDTH - 10 and x > 24:
            x, y = 24.0, y + 18
        drawn.append(shape(x, y - BAR + 1))
        drawn.append(text(x + width, y, words, size=10.5, muted=True))
        x += wide
    drawn.append("</g>")
    return drawn, y + 20


def _sample(opacity: float, x: float, top: float) -> str:
    return bar(x, top, 18, None, opacity=opacity)


def _upright(kind: str, colour: str, x: float, top: float) -> str:
    return line(x, top, x, top + BAR, kind, colour)


def _beside(shape: Callable[[float, float], str], x: float, top: float) -> str:
    return shape(x + 4, top)


def _small(kind: str, x: float, top: float) -> str:
    return glyph(kind, x + 4, top + BAR / 2)


def _at(axis: Axis, at: float) -> str:
    return elapsed(max(at - axis.start, 0.0))
