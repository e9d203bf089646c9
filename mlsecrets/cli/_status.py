"""``mlsecrets status``: which leases are open, and how they fare."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ._leases import LeaseLine


def status(
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The journal of a job, as given to configure(journal=...).",
            show_default="the file that MLSECRETS_JOURNAL names",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the leases as JSON.")
    ] = False,
) -> None:
    """Show leases: how often renewed, when they end, what became of them.

    In a process that a job has started, asks the job. Anywhere else, and for logins and
    for leases that have ended, reads the journal. No secret is asked for.
    """
    from ..clock import SYSTEM_CLOCK
    from ._errors import CommandError
    from ._lease_table import print_leases
    from ._owner import find_owner

    path = journal or _journal_of_environment()
    owner = None if journal else find_owner()
    if path is None and owner is None:
        raise CommandError(
            "there is nothing to ask: this process is not a job's, and no journal is "
            "named",
            remedy="name one: mlsecrets status --journal FILE; jobs write one if "
            "MLSECRETS_JOURNAL is set",
        )
    leases, strange = ([], 0) if path is None else _read(path)
    if owner is not None:
        leases = owner.known(leases)
    now = SYSTEM_CLOCK.wall()
    if as_json:
        report = {
            "owner": None
            if owner is None
            else {"pid": owner.pid, "access": owner.access},
            "journal": None if path is None else str(path),
            "unreadable_lines": strange,
            "leases": [_row(lease, now) for lease in leases],
        }
        typer.echo(json.dumps(report, indent=2))
        return
    if leases:
        print_leases(leases, now)
    else:
        typer.echo("no lease")
    if owner is not None and path is None:
        typer.echo("for logins and ends, run the job with MLSECRETS_JOURNAL=FILE")
    if strange:
        typer.echo(f"{path} has {strange} line(s) that are no events", err=True)


def _journal_of_environment() -> Path | None:
    from .._current import JOURNAL_VARIABLE

    named = os.environ.get(JOURNAL_VARIABLE)
    return Path(named) if named else None


def _read(path: Path) -> tuple[list[LeaseLine], int]:
    from ..timeline._journal import read
    from ._errors import unreadable
    from ._leases import summarise

    try:
        events, strange = read(path)
    except OSError as error:
        raise unreadable(path, error) from None
    return summarise(events), strange


def _row(lease: LeaseLine, now: float) -> dict[str, Any]:
    return {**asdict(lease), "state": lease.state(now)}
