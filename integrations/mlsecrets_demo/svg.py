"""The shapes that the picture is made of, as SVG."""

from __future__ import annotations

from html import escape

#: Height of a bar, in the picture's own units.
BAR = 9
INK, GREY, RED = "#1f2937", "#64748b", "#dc2626"


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 11,
    colour: str = INK,
) -> str:
    """Words, escaped."""
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}"'
        f' fill="{colour}">{escape(words)}</text>'
    )


def diamond(x: float, top: float) -> str:
    """The same credentials got later terms."""
    middle = top + BAR / 2
    points = f"{x - 4},{middle} {x},{middle - 4} {x + 4},{middle} {x},{middle + 4}"
    return f'<polygon class="renewed" points="{points}" fill="#ffffff" stroke="{INK}"/>'


def cross(x: float, top: float) -> str:
    """Credentials were revoked."""
    left, right, bottom = x - 3, x + 3, top + BAR
    return (
        f'<path class="revoked" d="M{left} {top}L{right} {bottom}'
        f'M{left} {bottom}L{right} {top}" stroke="{RED}" stroke-width="2"/>'
    )


def _bar(x: float, top: float, width: int, opacity: float = 1.0) -> str:
    return (
        f'<rect x="{x}" y="{top}" width="{width}" height="{BAR}" rx="2"'
        f' fill="{GREY}" fill-opacity="{opacity}"/>'
    )


def legend(x: float, y: float) -> list[str]:
    """What the shapes mean, on one line.

    Args:
        x: its left end.
        y: the base line of its words.
    """
    top = y - BAR
    return [
        '<g class="legend">',
        _bar(x, top, 26),
        text(x + 32, y, "credentials in use"),
        _bar(x + 150, top, 26, opacity=0.25),
        text(x + 182, y, "replaced, still valid"),
        diamond(x + 318, top),
        text(x + 330, y, "renewed"),
        cross(x + 398, top),
        text(x + 410, y, "revoked"),
        _bar(x + 470, top, 10),
        text(x + 486, y, "reads a second"),
        f'<line x1="{x + 600}" x2="{x + 600}" y1="{top}" y2="{y}" stroke="{RED}"/>',
        text(x + 608, y, "failed read"),
        "</g>",
    ]
