"""The verbs gathered, and the one place where errors become an exit status."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import MLSecretsError
from ._demo import demo
from ._dev import dev
from ._doctor import doctor
from ._init import init
from ._run import run
from ._status import status
from ._timeline import timeline
from ._top import top
from ._wrapping import Wrapping


class Verbs(TyperGroup):
    """Prints our own errors as paragraphs; a bug keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except MLSecretsError as error:
            if ctx.params.get("traceback"):
                raise
            typer.echo(error.diagnostics(), err=True)
            raise typer.Exit(getattr(error, "status", 1)) from None


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    # Plain help: the README quotes it, and it needs a third of the start-up time.
    rich_markup_mode=None,
    # Typer's own tracebacks can show local variables, and with them secrets.
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mlsecrets {version('mlsecrets')}")
        raise typer.Exit


@app.callback()
def mlsecrets(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option("--traceback", help="Show where an error came from."),
    ] = False,
) -> None:
    """Short-lived credentials for training and inference processes."""


# Everything behind the command's first word is the command's own.
app.command(context_settings={"allow_interspersed_args": False})(dev)
app.command()(doctor)
app.command()(init)
app.command(cls=Wrapping)(run)
app.command()(status)
app.command()(timeline)
app.command()(top)
app.command()(demo)
