"""The command line: ``mlsecrets``, and its verbs.

One file per verb. What a verb needs is imported when it runs, so that ``--help`` and
``--version`` answer at once.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line on ``sys.argv`` and exit with its status."""
    from ._app import app

    raise SystemExit(app(prog_name="mlsecrets"))
