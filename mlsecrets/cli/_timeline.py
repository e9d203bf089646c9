"""``mlsecrets timeline``: a journal as a picture or a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

#: What the name of the file asks for.
SUFFIXES = (".html", ".svg")


def timeline(
    journal: Annotated[
        Path,
        typer.Argument(
            help="The journal of a job, as given to configure(journal=...).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to draw it: FILE.svg is the picture, FILE.html a page with it "
            "and with its facts as tables.",
        ),
    ] = Path("timeline.html"),
    last: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only this long before the last event.",
            show_default="all of the journal",
        ),
    ] = None,
) -> None:
    """Draw the life of each lease: issued, renewed, doomed, revoked, and who read it.

    Of a job that runs, it shows what happened so far. Lines of the journal that are no
    events are counted and left out.
    """
    from ..timeline import Timeline
    from ._errors import CommandError, unreadable
    from ._format import seconds

    if out.suffix.lower() not in SUFFIXES:
        raise CommandError(
            f"a timeline is a file that ends in .html or .svg, got {out}",
            remedy=f"name such a file: -o {out.stem or 'timeline'}.html",
        )
    span = None if last is None else seconds(last, "--last")
    try:
        drawn = Timeline.of(journal, last=span)
    except OSError as error:
        raise unreadable(journal, error) from None
    text = drawn.svg() if out.suffix.lower() == ".svg" else drawn.html()
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{out} cannot be written: {(error.strerror or '').lower()}",
            remedy="name a file in a folder that is there: -o timeline.html",
        ) from None
    typer.echo(out)
    if drawn.strange:
        typer.echo(
            f"{journal} has {drawn.strange} line(s) that are no events", err=True
        )
