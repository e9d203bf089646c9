"""However training is launched and however it ends: what becomes of its credentials."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.matrix.cells import COVERING, ENDINGS, KILLS, LAUNCHERS, Cell, every
from tests.matrix.conftest import RECORD
from tests.matrix.measured import Measured


@pytest.mark.timeout(600)
def test_a_cell_is_no_worse_than_its_rule(
    cell: Cell, measure: Callable[[Cell], Measured]
) -> None:
    """Leased before use, renewed, flushed, revoked and shredded."""
    measured = measure(cell)
    if record := os.environ.get(RECORD):
        with Path(record).open("a") as file:
            file.write(measured.to_json() + "\n")
    assert not list(measured.shortfalls()), f"{measured}\n{measured.log}"


def test_the_usual_cells_are_of_the_matrix() -> None:
    """And all of it has every launcher and every ending."""
    cells = set(every())
    assert set(COVERING) <= cells
    pairs = {(cell.framework, cell.launcher) for cell in cells}
    assert pairs == {(name, each) for name in LAUNCHERS for each in LAUNCHERS[name]}
    assert {cell.ending for cell in cells} == {*ENDINGS, *KILLS}
