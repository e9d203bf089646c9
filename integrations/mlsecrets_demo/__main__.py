"""``python -m mlsecrets_demo``, which is what ``mlsecrets demo`` runs."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from mlsecrets import MLSecretsError

from . import render, report
from .process import TrainingFailed
from .run import Findings, Settings, run
from .timeline import timeline

_DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def seconds(text: str) -> float:
    """A duration such as ``90``, ``90s`` or ``1m30s``, for argparse."""
    match = _DURATION.fullmatch(text)
    found = 0
    if match is not None:
        hours, minutes, rest = map(int, match.groups("0"))
        found = hours * 3600 + minutes * 60 + rest
    if not found:
        raise argparse.ArgumentTypeError(
            f"expected a duration such as 10s or 1m30s, got {text!r}"
        )
    return float(found)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="mlsecrets demo",
        description="A real training run on credentials that live ten seconds.",
    )
    made.add_argument(
        "--ttl", type=seconds, default=10.0, help="life of credentials (10s)"
    )
    made.add_argument(
        "--seconds", type=seconds, default=90.0, help="how long to train (90s)"
    )
    made.add_argument(
        "--out",
        type=Path,
        default=Path("demo-out"),
        help="where to write the report, the journal and the picture (demo-out)",
    )
    made.add_argument(
        "--no-control",
        dest="control",
        action="store_false",
        help="leave out the same training on static credentials",
    )
    made.add_argument(
        "--json", action="store_true", help="print one JSON object; progress to stderr"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if every promise was kept, 1 if not, 2 if it could not run."""
    given = parser().parse_args(argv)
    settings = Settings(given.ttl, given.seconds, given.out, given.control)
    console = Console(stderr=given.json)
    try:
        with _interruptible():
            findings = run(settings, render.Progress(console))
    except MLSecretsError as error:
        console.print(error.diagnostics(), markup=False, highlight=False)
        return 2
    except TrainingFailed as error:
        console.print(f"{error}\n{error.tail()}", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted: the training process was ended, and so the stack")
        return 130
    figures = report.build(findings)
    figures["files"] = write(findings, figures, settings.out)
    if given.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        render.page(console, figures)
    return 0 if figures["ok"] else 1


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: leases are given back, engines stopped."""

    def interrupt(signum: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def write(findings: Findings, figures: dict[str, Any], out: Path) -> dict[str, str]:
    """The picture and the report; where they and the journal are."""
    # The demo's own proof needs a scope that no user has: not in the picture.
    shown = [line for line in findings.journal if line["scope"] in figures["scopes"]]
    picture = timeline(
        shown,
        findings.reads,
        findings.phases,
        title=f"Leases of a {findings.settings.seconds:g} s training run, "
        f"TTL {findings.settings.ttl:g} s",
    ).svg()
    files = {
        "timeline": out / "lease-timeline.svg",
        "journal": out / "journal.jsonl",
        "report": out / "report.json",
    }
    files["timeline"].write_text(picture)
    files["report"].write_text(json.dumps(figures, indent=2) + "\n")
    return {name: str(path) for name, path in files.items()}


if __name__ == "__main__":
    sys.exit(main())
