"""A hook of MkDocs: the command line describes itself in reference/cli.md.

The text is that of ``--help``, so the page cannot say something else than the program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer
import typer.cli

from mlsecrets.cli._app import app

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

PAGE = "reference/cli.md"
PLACE = "<!-- every command -->"


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Put the commands where the page asks for them; called by MkDocs."""
    if page.file.src_uri != PAGE:
        return markdown
    before, place, after = markdown.partition(PLACE)
    if not place:
        raise ValueError(f"{PAGE} has no line {PLACE!r}")
    command = typer.main.get_command(app)
    text = typer.cli.get_docs_for_click(
        obj=command, ctx=typer.Context(command), name="mlsecrets"
    )
    # The page has its title; Typer shortens the list of verbs, which follow anyway.
    text = re.sub(r"\A# .*\n", "", text)
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)
    return before + text + after
