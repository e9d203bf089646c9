"""The shapes that the picture is made of, as SVG.

Colours are attributes, so that any program can show the picture; a browser that prefers
dark takes those of `STYLE` instead.
"""

from __future__ import annotations

from html import escape

#: Height of a bar, in the picture's own units.
BAR = 10
INK, GREY, RED, AMBER, PAPER = "#1f2937", "#64748b", "#dc2626", "#d97706", "#ffffff"
GRID, SHADE = "#e2e8f0", ("#f8fafc", "#eef2f7")
#: Of scopes, one after the other; and what they are on dark paper.
COLOURS = ("#0f766e", "#1d4ed8", "#b45309", "#6d28d9", "#be185d", "#4d7c0f")
_ON_DARK = ("#2dd4bf", "#60a5fa", "#fbbf24", "#a78bfa", "#f472b6", "#a3e635")
#: Every picture's outermost class: its style touches nothing else of a page.
CLASS = "mlsecrets-timeline"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"

_DARK = {
    ".paper": "fill:#0f172a",
    ".ink": "fill:#e2e8f0",
    ".muted": "fill:#94a3b8",
    ".line": "stroke:#94a3b8",
    ".grid": "stroke:#1e293b",
    ".shade0": "fill:#0f172a",
    ".shade1": "fill:#172033",
    ".hollow": "fill:#0f172a;stroke:#e2e8f0",
    ".red": "fill:#f87171",
    ".redline": "stroke:#f87171",
    ".amber": "fill:#fbbf24",
    ".amberline": "stroke:#fbbf24",
    **{f".c{number}": f"fill:{colour}" for number, colour in enumerate(_ON_DARK)},
}
STYLE = (
    f".{CLASS} .life:hover .bar,.{CLASS} .mark:hover{{filter:brightness(1.25)}}"
    "@media (prefers-color-scheme:dark){"
    + "".join(f".{CLASS} {name}{{{rule}}}" for name, rule in _DARK.items())
    + "}"
)


def picture(title: str, words: str, width: float, height: float, body: str) -> str:
    """The whole.

    Args:
        title: what it shows.
        words: the same for who cannot see it.
        width, height: of the picture, in its own units.
        body: what is on it.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{CLASS}" role="img"'
        f' viewBox="0 0 {width:g} {height:g}" font-family="{_FONT}" font-size="11">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(words)}</desc>\n"
        f"<style>{STYLE}</style>\n"
        '<defs><pattern id="mlsecrets-doomed" width="6" height="6"'
        ' patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="3" height="6" class="amber" fill="{AMBER}"/></pattern></defs>\n'
        f'<rect class="paper" width="{width:g}" height="{height:g}" fill="{PAPER}"/>\n'
        f"{body}\n</svg>\n"
    )


def group(kind: str, said: str, *shapes: str) -> str:
    """Shapes that have one tooltip."""
    return f'<g class="{kind}"><title>{escape(said)}</title>{"".join(shapes)}</g>'


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: float = 11,
    muted: bool = False,
    bold: bool = False,
) -> str:
    """Words, escaped."""
    kind, colour = ("muted", GREY) if muted else ("ink", INK)
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
        f' font-size="{size:g}" fill="{colour}"{weight}>{escape(words)}</text>'
    )


def bar(
    x: float,
    top: float,
    width: float,
    colour: int | None,
    *,
    kind: str = "bar",
    opacity: float = 1.0,
) -> str:
    """A bar; `colour` is the number of a scope's, None for grey."""
    named, fill = ("muted", GREY)
    if colour is not None:
        number = colour % len(COLOURS)
        named, fill = f"c{number}", COLOURS[number]
    faint = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    return (
        f'<rect class="{kind} {named}" x="{x:g}" y="{top:g}" width="{width:.1f}"'
        f' height="{BAR}" rx="2" fill="{fill}"{faint}/>'
    )


def hatched(x: float, top: float, width: float) -> str:
    """Laid over a bar: from here on it was known that this is the end."""
    return (
        f'<rect class="doom" x="{x:g}" y="{top:g}" width="{width:.1f}" height="{BAR}"'
        ' rx="2" fill="url(#mlsecrets-doomed)"/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str, colour: str) -> str:
    """A straight line."""
    return (
        f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
        f' stroke="{colour}"/>'
    )


def diamond(x: float, top: float) -> str:
    """The same credentials got later terms."""
    y = top + BAR / 2
    points = f"{x - 4:g},{y:g} {x:g},{y - 4:g} {x + 4:g},{y:g} {x:g},{y + 4:g}"
    return (
        f'<polygon class="renewed hollow" points="{points}" fill="{PAPER}"'
        f' stroke="{INK}"/>'
    )


def cross(x: float, top: float) -> str:
    """Credentials were revoked."""
    left, right, bottom = x - 3.5, x + 3.5, top + BAR
    return (
        f'<path class="revoked redline" d="M{left:g} {top:g}L{right:g} {bottom:g}'
        f'M{left:g} {bottom:g}L{right:g} {top:g}" stroke="{RED}" stroke-width="2"/>'
    )


def stop(x: float, top: float) -> str:
    """Credentials expired, or lapsed, with nothing to take their place."""
    return (
        f'<rect class="stop red" x="{x - 1.5:g}" y="{top - 2:g}" width="3"'
        f' height="{BAR + 4}" fill="{RED}"/>'
    )


def arrow(x: float, top: float) -> str:
    """Credentials live where the journal ends."""
    y = top + BAR / 2
    return (
        f'<path class="open ink" d="M{x - 5:g} {y - 4:g}L{x + 1:g} {y:g}'
        f'L{x - 5:g} {y + 4:g}Z" fill="{INK}"/>'
    )


#: Small shapes around a point, by the event that they stand for: path, class, colour.
_GLYPHS = {
    "renewal_failed": ("M0-4.5L4.5 3.5L-4.5 3.5Z", "red", RED),
    "throttled": ("M0-4.5L4.5 3.5L-4.5 3.5Z", "amber", AMBER),
    "doomed": ("M-1.3-5H1.3L.9 1.6H-.9ZM-1.2 2.8H1.2V5H-1.2Z", "amber", AMBER),
    "rejected": ("M-4-4H4V4H-4ZM-2.5-1V1H2.5V-1Z", "red", RED),
    "refused": (
        "M0-4.5A4.5 4.5 0 1 0 .01-4.5ZM-2.8-1V1H2.8V-1Z",
        "red",
        RED,
    ),
    "capped": ("M-1-4.5H1V4.5H-1Z", "muted", GREY),
    "attached": ("M0-3.5A3.5 3.5 0 1 0 .01-3.5ZM0-1.8A1.8 1.8 0 1 1-.01-1.8Z", "", ""),
    "joined": ("M-3-4.5L4.5 0L-3 4.5Z", "ink", INK),
    "left": ("M3-4.5L-4.5 0L3 4.5ZM1.4-1.8V1.8L-1.6 0Z", "muted", GREY),
    "owned": ("M-3.5-5H-2.2V5H-3.5ZM-2.2-5L4.5-2.2L-2.2.8Z", "ink", INK),
}


def glyph(kind: str, x: float, y: float) -> str:
    """The shape that stands for an event, around a point."""
    path, named, colour = _GLYPHS[kind]
    return (
        f'<path class="glyph {kind} {named or "ink"}" d="{path}"'
        f' transform="translate({x:g} {y:g})" fill="{colour or INK}"'
        ' fill-rule="evenodd"/>'
    )
