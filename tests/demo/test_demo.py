"""The demo as users run it: real engines, real training, once for all tests here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import mlsecrets
import mlsecrets_demo

# A run takes 40 s, most of it waiting; on a busy machine engines start slowly.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo wrote."""
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def demo(out: Path) -> dict[str, Any]:
    """The report of a short run, as printed for machines."""
    packages = (mlsecrets_demo, mlsecrets)
    roots = [str(Path(str(p.__file__)).parents[1]) for p in packages]
    roots += filter(None, [os.environ.get("PYTHONPATH")])
    arguments = ["--ttl", "5s", "--seconds", "14", "--json", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "mlsecrets_demo", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "epoch" in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_every_promise_is_kept(demo: dict[str, Any]):
    """All of them were looked at, and hold."""
    assert len(demo["promises"]) == 9
    assert [p["text"] for p in demo["promises"] if not p["kept"]] == []


def test_no_read_fails_while_credentials_are_replaced(demo: dict[str, Any]):
    """Twice per scope at least in this short run, and the workers notice nothing."""
    assert demo["reads"]["failed"] == demo["reads"]["store_errors"] == 0
    assert demo["reads"]["ok"] >= 12
    for scope in ("train-data", "checkpoints", "mlflow"):
        assert demo["scopes"][scope]["replaced"] >= 2
        assert demo["scopes"][scope]["rejected"] == 0


def test_the_net_has_learnt(demo: dict[str, Any]):
    """On images that it has not seen, in shards of their own."""
    training = demo["training"]
    assert training["test_images"] == 360
    assert training["accuracy"] == training["test_right"] / 360 > 0.95


def test_the_process_makes_all_issuer_calls_for_its_workers(demo: dict[str, Any]):
    """Two workers to train, two to test: all of them attach, none logs in."""
    calls = demo["issuer_calls"]
    assert calls["workers_attached"] == 4
    assert calls["logins_seen"] == 1
    assert calls["by_workers"] == 0


def test_old_credentials_are_refused(demo: dict[str, Any]):
    """Each in its own way: sessions and the login are revoked, a JWT expires."""
    how = {found["scope"]: found["how"] for found in demo["old_credentials"]}
    assert how["own-token"] == "revoked"
    assert how["mlflow"] == "expired"
    assert set(how) == {"train-data", "checkpoints", "mlflow", "own-token"}


def test_memory_was_swept(demo: dict[str, Any]):
    """What readers were shown was found, and nothing is left of it."""
    for shred in demo["memory"].values():
        assert shred["not_swept"] is None
        assert shred["sweep"]["scanned_bytes"] > 100e6
        assert shred["sweep"]["left"] == 0
    assert "token injected late (mlflow)" in demo["memory"]["mlflow"]["exposure"]
    assert demo["memory"]["train-data"]["sweep"]["copies"] > 0


def test_static_credentials_end_the_same_training(demo: dict[str, Any]):
    """After their five seconds, with the store's own error, after reads that worked."""
    control = demo["control"]
    assert control["reads"] > 0
    assert 3 < control["after"] < 20
    assert control["error"].startswith("InvalidAccessKeyId")


def test_files_are_written(demo: dict[str, Any], out: Path):
    """The picture has a bar for each credential; the report is what was printed."""
    picture = ElementTree.parse(out / "lease-timeline.svg")
    bars = [one for one in picture.iter() if "life" in one.get("class", "").split()]
    made = [counts["issued"] + counts["replaced"] for counts in demo["scopes"].values()]
    assert len(bars) == sum(made)
    assert json.loads((out / "report.json").read_text())["ok"]
    assert (out / "journal.jsonl").stat().st_size > 0


def test_only_logs_are_left_of_the_stack(demo: dict[str, Any], out: Path):
    """No manifest, no identity, no key: what else the folder held is gone."""
    assert [path.name for path in (out / "stack").iterdir() if path.is_dir()] == [
        "logs"
    ]
    kept = {path.name for path in out.rglob("*") if path.is_file()}
    assert not kept & {"role-id", "secret-id", "demo.toml", "store-admin.json"}
