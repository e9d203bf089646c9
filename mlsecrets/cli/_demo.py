"""``mlsecrets demo``: the training run of the guest package `mlsecrets_demo`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

#: What it runs on, looked for but not imported: torch alone takes seconds.
PACKAGES = ("lightning", "mlflow", "s3fs", "sklearn", "torch", "mlsecrets_demo")


def demo(
    ttl: Annotated[
        str, typer.Option(metavar="TIME", help="How long each credential lives.")
    ] = "10s",
    seconds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Train for at least N seconds.")
    ] = 90,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Where to write report, journal and lease-timeline.svg."
        ),
    ] = Path("demo-out"),
    no_control: Annotated[
        bool,
        typer.Option(
            "--no-control", help="Leave out the same training on static credentials."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON.")
    ] = False,
) -> None:
    """Train on real data with credentials that live ten seconds.

    Starts OpenBao, an S3 store and MLflow on this machine, trains a small network, and
    prints what became of every credential.
    """
    from ._errors import missing_extra
    from ._format import seconds as parsed

    parsed(ttl, "--ttl")
    for package in PACKAGES:
        if find_spec(package) is None:
            raise missing_extra(package, "demo")
    arguments = ["--ttl", ttl, "--seconds", str(seconds), "--out", str(out)]
    arguments += ["--no-control"] if no_control else []
    arguments += ["--json"] if as_json else []
    sys.stdout.flush()
    sys.stderr.flush()
    # In our place, not below us: Ctrl-C and SIGTERM then reach it and nothing else.
    os.execv(  # noqa: S606  our own interpreter and module
        sys.executable, [sys.executable, "-m", "mlsecrets_demo", *arguments]
    )
