"""The journal of a job, drawn by the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import Result

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack

Run = Callable[..., Result]


@pytest.fixture
def journal(mlsecrets_stack: DevStack, tmp_path: Path) -> Path:
    """What a real job has written; a full disk has torn a line of it."""
    path = tmp_path / "journal.jsonl"
    configure(mlsecrets_stack.manifest_path, journal=path)
    with lease("train-data", "mlflow"):
        pass
    configure()
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f'{first}\n{{"event": "rene\n{rest}')
    return path


def test_a_jobs_journal_becomes_a_picture_and_a_page(
    run: Run, journal: Path, tmp_path: Path, keeps_secrets: Callable[[str], None]
) -> None:
    """The name's suffix says which; a torn line is told, and takes nothing along."""
    for name in ("leases.svg", "leases.HTML"):
        shown = run("timeline", journal, "-o", tmp_path / name)
        assert (shown.exit_code, shown.stdout) == (0, f"{tmp_path / name}\n")
        assert "1 line(s) that are no events" in shown.stderr
    picture = (tmp_path / "leases.svg").read_text()
    assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    page = (tmp_path / "leases.HTML").read_text()
    assert picture in page
    for scope in ("train-data", "mlflow", "login:bao"):
        assert f"<td>{scope}</td>" in page
    keeps_secrets(page)


def test_without_a_name_it_is_a_page_beside_you(run: Run, journal: Path) -> None:
    """And the last part of a long journal is enough where that is asked for."""
    shown = run("timeline", journal, "--last", "10m")
    assert (shown.exit_code, shown.stdout) == (0, "timeline.html\n")
    assert Path("timeline.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["leases.png", "leases", ".svg"])
def test_another_suffix_is_refused_before_anything_is_read(run: Run, name: str) -> None:
    """Nothing is written under a name that means something else."""
    shown = run("timeline", "none.jsonl", "-o", name)
    assert shown.exit_code == 1
    assert f"ends in .html or .svg, got {name}" in shown.stderr
    assert "what to do: name such a file: -o " in shown.stderr
    assert not list(Path().iterdir())


def test_a_journal_that_is_not_there_is_an_error(run: Run) -> None:
    """With its path, and how jobs come to write one."""
    shown = run("timeline", "none.jsonl")
    assert shown.exit_code == 1
    assert "the journal none.jsonl cannot be read: no such file" in shown.stderr
    assert "MLSECRETS_JOURNAL" in shown.stderr
    assert not Path("timeline.html").exists()


def test_a_folder_that_is_not_there_is_an_error(run: Run, journal: Path) -> None:
    """It is not made: it is most likely a mistake in typing."""
    shown = run("timeline", journal, "-o", "none/leases.svg")
    assert shown.exit_code == 1
    assert "none/leases.svg cannot be written: no such file" in shown.stderr
