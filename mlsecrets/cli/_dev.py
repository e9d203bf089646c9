"""``mlsecrets dev``: the embedded stack, for a while or around one command."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..devstack import DevStack


def dev(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="Run this inside the stack, then stop the stack. Put -- before it.",
            show_default=False,
        ),
    ] = None,
    ttl: Annotated[
        str, typer.Option(metavar="TIME", help="How long each credential lives.")
    ] = "10s",
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Start an MLflow server, too.")
    ] = False,
    seed: Annotated[
        bool, typer.Option("--seed", help="Put the handwritten digits in the store.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep everything in DIR; its logs stay there afterwards.",
            show_default="a temporary folder",
        ),
    ] = None,
) -> None:
    """Run OpenBao and an S3 store on this machine, with a ready mlsecrets.toml.

    They run until Ctrl-C. With a command, as in `mlsecrets dev -- python train.py`,
    they run as long as it does; it finds the manifest by itself, and its exit status
    is passed on.
    """
    from ._child import run
    from ._errors import missing_extra, needs
    from ._format import seconds
    from ._installed import installed
    from ._signals import signals_exit

    lifetime = seconds(ttl, "--ttl")
    if mlflow and not installed("mlflow"):  # the client alone has the same package
        raise missing_extra("mlflow", "dev")
    with signals_exit(), needs("dev"):
        from ..devstack import DevStack

        typer.echo("starting the stack ...", err=True)
        with DevStack(lifetime, mlflow=mlflow, folder=folder) as stack:
            if seed:
                stack.seed_digits()
            # With a command, standard output is the command's.
            typer.echo(_facts(stack, seeded=seed), err=bool(command))
            if command:
                raise typer.Exit(run(command, _inside(stack.manifest_path)))
            threading.Event().wait()


def _inside(manifest: Path) -> dict[str, str]:
    """The environment of a command that leases from the stack."""
    from .._broker._socket import ENVIRONMENT
    from ..manifest import VARIABLE

    # A lease around us is of another manifest: its socket is not for this command.
    outer = {name: value for name, value in os.environ.items() if name != ENVIRONMENT}
    return {**outer, VARIABLE: str(manifest)}


def _facts(stack: DevStack, *, seeded: bool) -> str:
    """What a user of the stack wants to know, ready to be pasted."""
    from ..manifest import VARIABLE

    lines = [
        f"OpenBao   {stack.openbao.address}",
        f"store     {stack.store.address}" + (" (digits are in it)" if seeded else ""),
        f"revoker   {stack.revoker.address}",
    ]
    if stack.mlflow is not None:
        lines.append(f"MLflow    {stack.mlflow.address}")
    lines += [
        f"logs      {stack.logs}",
        f"manifest  {stack.manifest_path}",
        "",
        f"export {VARIABLE}={shlex.quote(str(stack.manifest_path))}",
    ]
    return "\n".join(lines)
