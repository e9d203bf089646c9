"""Which leases are open: asked of their owner, or read from a journal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from mlsecrets import configure, hold, lease, release
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack
from mlsecrets.events import Event, Journal

Run = Callable[..., Result]


def journal_of(path: Path, *events: Event) -> Path:
    journal = Journal(path)
    for event in events:
        journal.record(event)
    journal.close()
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Of a process that was killed a minute ago, and of one that goes on."""
    now = SYSTEM_CLOCK.wall()
    dead = {"generation": 3, "expires_at": now - 50}
    live = {"generation": 1, "expires_at": now + 600}
    failure = {"error": "IssuerSealed", "transient": True}
    return journal_of(
        tmp_path / "journal.jsonl",
        Event("issued", "mlflow", now - 60, 11, dead),
        Event("issued", "train-data", now - 5, 22, live),
        Event("joined", "train-data", now, 22, {"worker": 23}),
        Event("attached", "train-data", now, 22, {"worker": 24}),
        Event("attached", "train-data", now, 22, {"worker": 25}),
        Event("renewal_failed", "train-data", now, 22, failure),
    )


def test_a_journal_is_shown_as_lines(run: Run, journal: Path) -> None:
    """One lease each, whole, so that grep finds all of it."""
    shown = run("status", "--journal", journal)
    assert shown.exit_code == 0
    header, dead, live = shown.stdout.splitlines()
    assert header.split()[:3] == ["scope", "process", "state"]
    assert dead.split()[:4] == ["mlflow", "11", "lapsed", "3"]
    assert live.split()[:4] == ["train-data", "22", "open", "1"]
    assert "in 10 min" in live
    assert "1 failed (IssuerSealed)" in live
    assert "1 member(s), 2 worker(s)" in live


def test_the_environment_names_the_journal(
    run: Run, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that jobs write by."""
    monkeypatch.setenv("MLSECRETS_JOURNAL", str(journal))
    report = json.loads(run("status", "--json").stdout)
    assert report["journal"] == str(journal)
    assert report["owner"] is None
    states = {lease["scope"]: lease["state"] for lease in report["leases"]}
    assert states == {"mlflow": "lapsed", "train-data": "open"}


def test_a_journal_that_is_not_there_is_an_error(run: Run) -> None:
    """With its path, and where to find the right one."""
    shown = run("status", "--journal", "none.jsonl")
    assert shown.exit_code == 1
    assert "the journal none.jsonl cannot be read: no such file" in shown.stderr
    assert "by configure(journal=FILE) or MLSECRETS_JOURNAL=FILE" in shown.stderr


def test_torn_lines_are_mentioned(run: Run, journal: Path) -> None:
    """On standard error, where they are in nobody's way."""
    with journal.open("a") as file:
        file.write("torn\n")
    shown = run("status", "--journal", journal)
    assert "1 line(s) that are no events" in shown.stderr


def test_an_empty_journal_has_no_lease(run: Run, tmp_path: Path) -> None:
    """That is an answer, not an error."""
    shown = run("status", "--journal", journal_of(tmp_path / "empty.jsonl"))
    assert (shown.exit_code, shown.stdout) == (0, "no lease\n")


def test_an_owner_that_is_gone_is_an_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment of a job that has ended is found out."""
    monkeypatch.setenv("MLSECRETS_SOCK", str(tmp_path / "gone" / "socket"))
    shown = run("status")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("OwnerGone: ")


def test_a_process_of_a_job_asks_the_job(
    mlsecrets_stack: DevStack,
    tmp_path: Path,
    keeps_secrets: Callable[[str], None],
) -> None:
    """What it holds, with the journal's figures; the login is listed, too."""
    path = tmp_path / "journal.jsonl"
    configure(mlsecrets_stack.manifest_path, journal=path)
    with lease("train-data", "mlflow"):
        bare = status({})
        full = status({"MLSECRETS_JOURNAL": str(path)}, "--json")
    keeps_secrets(bare + full)
    assert "train-data" in bare
    # Without a journal, too, the owner says when each ends.
    train = next(line for line in bare.splitlines() if line.startswith("train-data"))
    assert re.search(r"open +1 +\d\d:\d\d:\d\d +in \d", train)
    assert "run the job with MLSECRETS_JOURNAL=FILE" in bare
    report = json.loads(full)
    assert report["owner"]["pid"] == os.getpid()
    assert report["owner"]["access"]["train-data"] == ["read s3://datasets/digits/*"]
    leases = {lease["scope"]: lease for lease in report["leases"]}
    assert set(leases) == {"train-data", "mlflow", "login:bao"}
    assert all(lease["state"] == "open" for lease in leases.values())
    assert leases["train-data"]["generations"] >= 1
    # Asking is not attaching: no worker was served a credential.
    assert all(lease["workers"] == 0 for lease in leases.values())


def test_a_lease_that_is_held_without_a_block_is_listed(
    mlsecrets_stack: DevStack,
) -> None:
    """Notebooks hold; their shells ask."""
    configure(mlsecrets_stack.manifest_path)
    hold("mlflow")
    try:
        assert "mlflow" in status({})
    finally:
        release("mlflow")


def status(environment: dict[str, str], *options: str) -> str:
    """In a process that this one starts."""
    done = subprocess.run(
        [sys.executable, "-m", "mlsecrets", "status", *options],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    return done.stdout + done.stderr
