"""``mlsecrets doctor``: what a job on this machine would get, tried for real."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ._checks import Check


def doctor(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The manifest.",
            show_default="as a job finds it",
        ),
    ] = None,
    job_length: Annotated[
        str, typer.Option(metavar="TIME", help="How long a job runs.")
    ] = "12h",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON.")
    ] = False,
) -> None:
    """Find out whether a job can lease here, and what to do if not.

    Logs in and leases every scope of the manifest, and gives all of it back. Looks at
    servers, clocks, lifetimes, locked memory and installed packages. The exit status is
    0 if everything is fine, else 1. No secret is printed.
    """
    from ._format import seconds

    length = seconds(job_length, "--job-length")
    checks = _checks(config, length)
    if as_json:
        found = list(checks)
        fine = all(check.ok for check in found)
        report = {"ok": fine, "checks": [asdict(check) for check in found]}
        typer.echo(json.dumps(report, indent=2))
    else:
        fine = _print(checks)
    if not fine:
        raise typer.Exit(1)


def _checks(config: Path | None, job_length: float) -> Iterator[Check]:
    from ..clock import SYSTEM_CLOCK
    from ..errors import ManifestError
    from ..manifest import find, load
    from ._checks import examine, failed

    try:
        manifest = load(find(config, os.environ, Path.cwd()))
    except ManifestError as error:
        yield failed("manifest", error)
        return
    yield from examine(manifest, clock=SYSTEM_CLOCK, job_length=job_length)


def _print(checks: Iterator[Check]) -> bool:
    """Print each finding as it comes; whether all are fine."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    found = []
    for check in checks:
        found.append(check)
        _print_one(console, check)
    broken = sum(1 for check in found if not check.ok)
    console.print()
    console.print(
        f"{broken} of {len(found)} checks failed" if broken else "everything is fine"
    )
    return not broken


def _print_one(console: Console, check: Check) -> None:
    from rich.text import Text

    mark, style = ("ok  ", "green") if check.ok else ("FAIL", "bold red")
    if check.ok and check.remedy:
        mark, style = "note", "yellow"
    name = f"{check.name:<20}"
    console.print(Text.assemble((mark, style), "  ", (name, "bold"), "  ", check.found))
    if check.remedy:
        console.print(Text(f"      what to do: {check.remedy}"))
