"""Figures for machines, and the page for people."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from mlsecrets_demo import render, report
from mlsecrets_demo.__main__ import parser

Figures = dict[str, Any]


def _page(figures: Figures) -> str:
    output = io.StringIO()
    render.page(Console(file=output, width=200), figures)
    return output.getvalue()


def _read(at: float, *, ok: bool = True, pid: int = 7) -> dict[str, Any]:
    line = {"at": at, "ok": ok, "ms": at, "pid": pid, "shard": "0000.parquet"}
    return line if ok else {**line, "error": "AccessDenied: no"}


def test_scopes_are_counted_without_the_demos_own(lines: list[dict[str, Any]]):
    """The scope that only the proof needs is in no figure."""
    counted = report.scopes(lines)
    assert set(counted) == {"login:bao", "train-data", "checkpoints", "mlflow"}
    assert counted["train-data"]["issued"] == 1


def test_failed_reads_are_counted_with_their_reasons():
    """Each failure counts, each reason is named once."""
    told = [_read(1.0), _read(2.0, pid=8), _read(3.0, ok=False), _read(4.0, ok=False)]
    figures = report.reads(told, {})
    assert (figures["ok"], figures["failed"], figures["workers"]) == (2, 2, 2)
    assert figures["errors"] == ["AccessDenied: no"]


def test_the_store_counts_for_itself():
    """Answers of the data bucket that are no success are errors, but for 404."""
    store = {
        ("GET", "200", "datasets"): 6,
        ("GET", "206", "datasets"): 5,
        ("GET", "404", "datasets"): 1,
        ("GET", "503", "datasets"): 2,
        ("GET", "403", ""): 3,
        ("PUT", "200", "checkpoints"): 4,
    }
    figures = report.reads([], store)
    assert figures["store_errors"] == 2
    assert figures["store_refused"] == 3
    assert figures["checkpoints_written"] == 4
    assert figures["median_ms"] is None


def test_the_page_has_the_figures(figures: Figures):
    """What the report says, the page says."""
    page = _page(figures)
    assert "359 of 360 images" in page
    assert "250 ok, 0 failed" in page
    assert "InvalidAccessKeyId" in page
    assert "a signed JWT cannot be revoked" in page
    assert "BROKEN" not in page


def test_the_page_does_not_hide_what_went_wrong(figures: Figures):
    """A credential that still works is shouted, a broken promise is marked."""
    figures["old_credentials"][0]["refused_after"] = None
    figures["promises"][0]["kept"] = False
    figures["memory"]["mlflow"]["not_swept"] = "ptrace is refused"
    page = _page(figures)
    assert "STILL ACCEPTED" in page
    assert "BROKEN" in page
    assert "not swept: ptrace is refused" in page


def test_progress_says_where_training_is():
    """Elapsed, epoch, step, loss, reads and generations, on one line."""
    output = io.StringIO()
    tell = render.Progress(Console(file=output, width=40))
    tell(
        {
            "say": "progress",
            "elapsed": 4.2,
            "epoch": 7,
            "step": 150,
            "loss": 0.125,
            "reads": 90,
            "generations": {"train-data": 2},
        }
    )
    tell({"say": "something new"})
    [line] = output.getvalue().splitlines()
    for part in ("4.2 s", "epoch    7", "150", "0.1250", "90 reads", "train-data 2"):
        assert part in line


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10), ("90s", 90), ("2m", 120), ("1h1m1s", 3661)]
)
def test_durations_have_a_unit_or_are_seconds(text: str, seconds: float):
    """As people write them."""
    assert parser().parse_args(["--ttl", text]).ttl == seconds


@pytest.mark.parametrize("text", ["0s", "", "ten", "-1", "1.5s", "1d", "s"])
def test_other_durations_are_refused(text: str, capsys: pytest.CaptureFixture[str]):
    """With what was expected, and what came."""
    with pytest.raises(SystemExit):
        parser().parse_args([f"--ttl={text}"])
    assert "expected a duration" in capsys.readouterr().err
