"""``mlsecrets run``: a program in any language, on leases."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .._lease import Lease
    from ..events import Event


def run(
    ctx: typer.Context,
    scopes: Annotated[
        list[str],
        typer.Argument(metavar="SCOPE", help="What to lease.", show_default=False),
    ],
    env: Annotated[
        bool,
        typer.Option(
            "--env",
            help="Put the credentials of this moment into the command's environment, "
            "for programs that look nowhere else. They are not renewed there.",
        ),
    ] = False,
    keeper: Annotated[
        bool,
        typer.Option(
            "--keeper",
            help="Have a process of its own hold the leases: it revokes them even if "
            "this one is killed. One that is there is joined.",
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The manifest.", show_default="as a job finds it"
        ),
    ] = None,
) -> None:
    """Run a command on leases that are renewed while it runs and revoked when it ends.

    AWS's SDKs and tools, in any language, find an endpoint on this machine that has
    the credentials as they are at that moment. No secret is in the arguments or in the
    environment, unless --env says so. Programs that use mlsecrets read the leases as
    workers do.

    Signals are passed on to the command, and its exit status is passed back: 128 + n if
    signal n has ended it.
    """
    from .. import configure, lease
    from .._reference import Reference
    from ..manifest import VARIABLE
    from ._child import run as run_child
    from ._endpoint import Endpoint
    from ._environment import of_endpoint, of_values
    from ._signals import signals_exit
    from ._wrapping import command_of

    command = command_of(ctx)
    names = list(dict.fromkeys(scopes))
    configure(config, keeper="process" if keeper else None, on_event=_tell)
    with signals_exit(), ExitStack() as around, ExitStack() as leases:
        folder = Path(around.enter_context(TemporaryDirectory(prefix="mlsecrets-run-")))
        endpoint = None
        if not env:
            endpoint = around.enter_context(Endpoint(map(Reference, names), folder))
        entered = leases.enter_context(lease(*names))
        held = [entered] if len(names) == 1 else [entered[name] for name in names]
        # Not before: the environment names the owner's socket from now on.
        inner = dict(os.environ)
        if config is not None:
            inner[VARIABLE] = str(config.absolute())
        if endpoint is not None:
            inner = of_endpoint(inner, held, endpoint, folder)
        else:
            inner = of_values(inner, held, folder)
            _warn(held)
        raise typer.Exit(run_child(command, inner, leases.close))


def _warn(leases: list[Lease]) -> None:
    from ..clock import SYSTEM_CLOCK
    from ._format import spoken

    now = SYSTEM_CLOCK.monotonic()
    for lease in leases:
        left = spoken(lease.snapshot().terms.remaining(now))
        typer.echo(
            f"mlsecrets: {lease.scope} is in the command's environment, where it is "
            f"not renewed: it ends in {left}, or with the command",
            err=True,
        )


def _tell(event: Event) -> None:
    """Say on standard error what the command is about to stumble over."""
    from ._format import spoken

    if event.name == "doomed":
        left = spoken(event.detail["seconds_left"])
        typer.echo(
            f"mlsecrets: lease {event.scope} ends in {left} and is not renewed "
            f"({event.detail['error']})",
            err=True,
        )
