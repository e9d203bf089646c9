"""The picture with its facts as tables: a page of its own, or a part of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ._axis import elapsed
from ._lives import Row
from ._shapes import CLASS

#: Rows of each table; the newest are shown.
MOST = 500

_LEASES = (
    "scope",
    "process",
    "leases",
    "generations",
    "renewals",
    "first issued",
    "ends",
    "trouble",
    "others",
    "fate",
)
_GENERATIONS = ("scope", "process", "generation", "issued", "in use", "valid", "fate")
#: What goes wrong besides, by the event that tells of it.
_TROUBLE = {
    "renewal_failed": "failed",
    "throttled": "throttled",
    "doomed": "doomed",
    "rejected": "rejected",
}
_OTHERS = {
    "attached": "worker(s)",
    "joined": "joined",
    "left": "left",
    "refused": "refused",
    "owned": "taken over",
}

_STYLE = f"""
.{CLASS}-facts{{font:13px/1.5 system-ui,sans-serif;overflow-x:auto}}
.{CLASS}-facts table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
.{CLASS}-facts th,.{CLASS}-facts td{{padding:.2em .9em .2em 0;text-align:left;
vertical-align:top}}
.{CLASS}-facts td{{border-top:1px solid #8884}}
.{CLASS}-facts summary{{cursor:pointer;margin:.8em 0 .4em}}
"""
_PAGE_STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;max-width:1240px;padding:1rem;background:#ffffff;color:#1f2937}
svg{width:100%;height:auto}
@media (prefers-color-scheme:dark){body{background:#0f172a;color:#e2e8f0}}
"""


def page(title: str, picture: str, facts: str) -> str:
    """A page that needs nothing else: no script, no font, no address."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{picture}{facts}</main>\n</body>\n</html>\n"
    )


def facts(rows: Sequence[Row], start: float, *, opened: bool) -> str:
    """The same as tables.

    Args:
        rows: of all leases.
        start: epoch seconds that instants are counted from.
        opened: whether the first of the tables is to be seen at once.
    """
    leases = [_lease(row, start) for row in rows]
    lives = [cells for row in rows for cells in _generations(row, start)]
    return (
        f'<div class="{CLASS}-facts">\n<style>{_STYLE}</style>\n'
        + _table("Leases", _LEASES, leases, opened=opened)
        + _table("Generations", _GENERATIONS, lives, opened=False)
        + "</div>\n"
    )


def _lease(row: Row, start: float) -> list[str]:
    fates: dict[str, int] = {}
    for life in row.lives:
        fates[life.fate] = fates.get(life.fate, 0) + 1
    errors = dict.fromkeys(
        mark.words
        for mark in row.marks
        if mark.kind in {"renewal_failed", "throttled"} and mark.words
    )
    trouble = _counts(row, _TROUBLE) + (f" ({', '.join(errors)})" if errors else "")
    lives = row.lives
    if failed := sum(life.failed for life in lives):
        trouble = ", ".join(filter(None, [f"{failed} expired in use", trouble]))
    return [
        row.scope or "no lease",
        str(row.pid),
        str(row.counts["issued"]),
        str(len(lives)),
        str(row.counts["renewed"]),
        elapsed(lives[0].start - start) if lives else "-",
        elapsed(max(life.end for life in lives) - start) if lives else "-",
        trouble or "-",
        _counts(row, _OTHERS) or "-",
        ", ".join(f"{count} {fate}" for fate, count in fates.items()) or "-",
    ]


def _generations(row: Row, start: float) -> Iterable[list[str]]:
    for life in row.lives[-MOST:]:
        yield [
            row.scope,
            str(row.pid),
            str(life.generation),
            elapsed(life.start - start),
            elapsed(life.in_use_until - life.start),
            elapsed(life.end - life.start),
            life.fate,
        ]


def _counts(row: Row, names: dict[str, str]) -> str:
    return ", ".join(
        f"{row.counts[event]} {word}"
        for event, word in names.items()
        if row.counts[event]
    )


def _table(
    name: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, opened: bool
) -> str:
    caption = name if len(rows) <= MOST else f"{name}: the last {MOST}"
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows[-MOST:]
    )
    return (
        f"<details{' open' if opened else ''}><summary>{escape(caption)}</summary>\n"
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>\n"
        "</details>\n"
    )
