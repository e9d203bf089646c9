"""The matrix as text: python -m tests.matrix.table RECORD, as the documentation has it.

RECORD is what ``MLSECRETS_MATRIX_RECORD`` named when the cells were measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.matrix.cells import ENDINGS, KILLS, LAUNCHERS, Cell
from tests.matrix.measured import Measured

Found = dict[Cell, Measured]


def read(path: Path) -> Found:
    """What was measured; of a cell that was measured twice, the last."""
    lines = path.read_text().splitlines()
    return {found.cell: found for found in map(Measured.from_json, lines)}


def row(*texts: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(map(str, texts)) + " |"


def head(*texts: str) -> str:
    """The first two."""
    return row(*texts) + "\n" + "|---" * len(texts) + "|"


def overview(found: Found) -> Iterator[str]:
    """How soon the store refused everything, by launcher and ending."""
    yield head("framework, launcher", *ENDINGS, *KILLS)
    for framework, launchers in LAUNCHERS.items():
        for launcher in launchers:
            cells = [
                " / ".join(_short(found, framework, launcher, ending))
                for ending in ENDINGS + KILLS
            ]
            yield row(f"{framework}, {launcher}", *(cell or "none" for cell in cells))


def _short(found: Found, framework: str, launcher: str, ending: str) -> Iterator[str]:
    for keeper in ("thread", "process"):
        one = found.get(Cell(framework, launcher, ending, keeper))
        if one is not None:
            fate = "TTL " if one.fate == "TTL" else ""
            kept = "keeper " if keeper == "process" else ""
            yield f"{kept}{fate}{max(one.seconds, 0.0):.1f}"


def details(found: Found) -> Iterator[str]:
    """Everything that was asked, cell by cell."""
    yield head(
        *("framework, launcher", "ending", "before first use", "generations"),
        *("at MLflow", "run", "store", "login", "memory"),
    )
    for cell, one in found.items():
        keeper = ", keeper" if cell.keeper == "process" else ""
        yield row(
            f"{cell.framework}, {cell.launcher}",
            cell.ending + keeper,
            "leased" if one.acquired else "NOT leased",
            one.generations,
            f"{one.arrived} of {one.logged}",
            one.status,
            f"{one.fate}, {max(one.seconds, 0.0):.1f} s",
            "revoked" if one.login_revoked else "TTL",
            one.shredded,
        )


def main(lines: Iterable[str]) -> None:
    """Print them."""
    for line in lines:
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    cells = read(Path(sys.argv[1]))
    main(overview(cells))
    main([""])
    main(details(cells))
