"""A soak of twenty seconds: that its machinery works, and the core under it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.soak.owning import ROOT
from tests.soak.records import NEEDS

SEED = 15


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run reports, its exit status and its text added."""
    path = tmp_path_factory.mktemp("soak") / "report.json"
    command = ["-m", "tests.soak", "--minutes", "0.33", "--seed", str(SEED)]
    done = subprocess.run(
        [sys.executable, *command, "--json", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert path.exists(), done.stderr
    found: dict[str, Any] = json.loads(path.read_text())
    return {**found, "status": done.returncode, "text": done.stdout}


def test_every_promise_is_kept(report: dict[str, Any]) -> None:
    """And the exit status says so."""
    broken = [promise for promise in report["promises"] if not promise["kept"]]
    assert not broken, report["text"]
    assert report["kept"]
    assert report["status"] == 0


def test_the_seed_comes_first(report: dict[str, Any]) -> None:
    """A run that gets stuck can be repeated."""
    assert report["text"].splitlines()[0] == f"seed {SEED}"


def test_something_went_wrong_in_it(report: dict[str, Any]) -> None:
    """A calm run would promise nothing."""
    assert sum(report["outages"].values()) >= 2
    assert sum(report["revocations"].values()) >= 1
    failures = ("renewal_failed", "throttled")
    assert any(report["events"].get(name) for name in failures)
    assert report["faulted_seconds"] > 2


def test_everybody_read_and_every_lease_rotated(report: dict[str, Any]) -> None:
    """Threads and workers, by boto3, fsspec, URL and HTTP."""
    kinds = {
        "threads s3-boto3 train-data",
        "threads s3-fsspec train-data",
        "threads s3-url train-data",
        "threads http-auth mlflow",
        "threads http-snapshot mlflow",
        "threads http-auth queue",
        "threads http-snapshot queue",
        "workers s3-url train-data",
        "workers s3-fsspec train-data",
        "workers http-snapshot mlflow",
        "workers http-snapshot queue",
    }
    assert report["reads"].keys() == kinds
    assert min(report["reads"].values()) > 10
    assert report["workers"] > 4
    for scope in NEEDS:
        assert report["rotations"][scope]["replaced"] > 0
    assert report["rotations"]["queue"]["renewed"] > 0
