"""Renewal under faults: ``python -m tests.soak --minutes 10 --seed 7``."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from pathlib import Path

from .report import report
from .soak import run
from .text import text


def main() -> int:
    """Soak, print the report; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="of the faults; random if absent")
    parser.add_argument("--json", type=Path, help="where to write the report as JSON")
    parser.add_argument("--keep", type=Path, help="folder for what is written")
    given = parser.parse_args()
    seed = secrets.randbelow(1 << 32) if given.seed is None else given.seed
    # First, so that a run that gets stuck can be repeated.
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="mlsecrets-soak-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        found = report(run(given.minutes * 60, seed, folder))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(text(found))
    return 0 if found["kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
