"""``mlsecrets top``: the leases of this moment, again each second."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console, Group

    from ._sources import Sight, Source

#: Seconds between two looks.
EVERY = 1.0


def top(
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The journal of a job, as given to configure(journal=...).",
            show_default="ask those who own leases",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one table and exit.")
    ] = False,
) -> None:
    """Show open leases live: time left, renewals, who reads them, the last error.

    In a process that a job has started, those of the job; anywhere else, those of all
    of this user's jobs on this machine, whether a keeper or the program itself owns
    them. Refreshes each second until q or Ctrl-C; where there is no terminal, prints
    one table. No secret is asked for.
    """
    from ._lease_table import console_of_tables

    source = _source(journal)
    console = console_of_tables()
    if once or not console.is_terminal or console.is_dumb_terminal:
        _print(source.look(), console)
        return
    with suppress(KeyboardInterrupt):
        _watch(source, console)


def _source(journal: Path | None) -> Source:
    from .._reference import owner_socket
    from ._sources import OfJournal, OfOwners

    return OfOwners(owner_socket()) if journal is None else OfJournal(journal)


def _print(sight: Sight, console: Console) -> None:
    from ..clock import SYSTEM_CLOCK
    from ._lease_table import live_table
    from ._sources import alive

    now = SYSTEM_CLOCK.wall()
    leases = alive(sight.leases, now)
    if leases:
        console.print(live_table(leases, now))
    else:
        typer.echo("no lease")
    for note in sight.notes:
        typer.echo(note, err=True)
    if sight.notes and not leases:
        raise typer.Exit(1)


def _watch(source: Source, console: Console) -> None:
    from rich.live import Live

    from ._keys import keys
    from ._signals import signals_exit

    first = source.look()  # what cannot be shown at all is told on the usual screen
    with (
        signals_exit(),
        keys() as heard,
        Live(_page(first), console=console, screen=True, auto_refresh=False) as live,
    ):
        while "q" not in heard.pressed(EVERY).lower():
            live.update(_page(source.look()), refresh=True)


def _page(sight: Sight) -> Group:
    from rich.console import Group
    from rich.text import Text

    from ..clock import SYSTEM_CLOCK
    from ._format import time_of_day
    from ._lease_table import live_table
    from ._sources import alive

    now = SYSTEM_CLOCK.wall()
    leases = alive(sight.leases, now)
    owners = len({lease.pid for lease in leases})
    head = f"{len(leases)} lease(s) of {owners} process(es) at {time_of_day(now)}"
    notes = [Text(note, style="dim") for note in sight.notes]
    return Group(Text(f"{head}   q: leave"), "", live_table(leases, now), "", *notes)
