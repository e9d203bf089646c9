"""Verbs around a command: everything behind ``--`` is the command's own."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

_KEY = "mlsecrets.command"


class Wrapping(TyperCommand):
    """A verb whose words end at ``--``; `command_of` has what comes behind."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Split the words before they are looked at."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_KEY] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """For the first line of the help."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND [ARGS]..."]


def command_of(ctx: typer.Context) -> list[str]:
    """The command behind ``--``.

    Raises:
        typer.BadParameter: there is none.
    """
    command: list[str] = ctx.meta[_KEY]
    if not command:
        raise typer.BadParameter(
            f"expected a command behind --, as in: {ctx.command_path} SCOPE -- COMMAND",
            ctx=ctx,
        )
    return command
