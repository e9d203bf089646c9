"""The residue benchmark runs, and its promises hold: a short form of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")
pytest.importorskip("botocore")
pytest.importorskip("hvac")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

SCRIPT = Path(__file__).parents[2] / "benchmarks/residue.py"
CLIENTS = ("hvac", "leased-hvac", "leased-boto3")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run of each; the benchmark itself fails where its proofs are missing."""
    path = tmp_path_factory.mktemp("residue") / "found.json"
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "--json", str(path)),
            *("--runs", "1", "--peer-runs", "1", "--over", "TLS", "--only", *CLIENTS),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads(path.read_text())["cells"]
    skipped = [cell["skipped"] for cell in cells if cell["skipped"] is not None]
    if skipped:
        pytest.skip(skipped[0])
    return {cell["client"]: cell["found"][0] for cell in cells}


def counts(found: dict[str, Any], client: str, pause: str) -> dict[str, int]:
    """Copies and fragments of each kind of secret."""
    seen = found[client]["sights"][pause]["counts"]
    copies = {kind: count["full"] + count["pieces"] for kind, count in seen.items()}
    assert copies.pop("planted") > 0
    return copies


def test_the_client_of_today_leaves_copies(found: dict[str, Any]) -> None:
    """The positive control: hvac's own token and the value that it read."""
    for pause in ("during", "after"):
        left = counts(found, "hvac", pause)
        assert left["login token"] > 0
        assert left["stored value"] > 0


@pytest.mark.parametrize("pause", ["during", "after"])
def test_a_late_token_leaves_nothing(found: dict[str, Any], pause: str) -> None:
    """Neither it nor what it was fetched with, while the client is open and after."""
    left = counts(found, "leased-hvac", pause)
    assert left == {"stored value": 0, "login token": 0, "secret id": 0}


def test_a_signed_key_is_nowhere_while_it_signs(found: dict[str, Any]) -> None:
    """Only the session token is, which is worth nothing without it."""
    left = counts(found, "leased-boto3", "during")
    assert left.pop("session token") > 0
    assert set(left.values()) == {0}


def test_nothing_is_left_after_the_block(found: dict[str, Any]) -> None:
    """Of any secret, of either generation."""
    refused = found["leased-boto3"]["told"]["sweep"]["refused"]
    if refused is not None:
        pytest.skip(f"not swept: {refused}")
    assert set(counts(found, "leased-boto3", "after").values()) == {0}
