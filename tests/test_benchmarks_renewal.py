"""The renewal benchmark runs, and its targets hold: a short form of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("botocore")

Found = dict[tuple[str, str], dict[str, float]]

SCRIPT = Path(__file__).parents[1] / "benchmarks/renewal.py"


def run(experiments: list[str]) -> Found:
    """What one round found, by experiment and client."""
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "--json", "--rounds", "1"),
            *("--clients", "botocore", "mlsecrets", "--only", *experiments),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    return {
        (row["experiment"], row["client"]): row["found"][0]
        for row in json.loads(done.stdout)
    }


@pytest.fixture(scope="module")
def found() -> Found:
    return run(["refresh", "expired", "down-30s", "ttl-60"])


@pytest.mark.parametrize("experiment", ["refresh", "expired", "ttl-60"])
def test_any_number_of_readers_cost_one_issuer_call(found: Found, experiment: str):
    """At the refresh instant, after the end, and with a life shorter than a window."""
    ours = found[experiment, "mlsecrets"]
    assert ours["calls"] == 1
    assert set(ours) <= {"calls", "waited", "valid"}  # nothing raised, nothing dead


def test_nobody_waits_for_a_refresh_while_the_credential_is_valid(found: Found):
    """It happens in the background; botocore has one of its readers do it."""
    assert found["refresh", "mlsecrets"]["waited"] == 0
    assert found["refresh", "botocore"]["waited"] >= 1


def test_no_read_raises_while_the_credential_is_valid(found: Found):
    """The issuer is down and half a minute is left: botocore raises at every read."""
    assert found["down-30s", "mlsecrets"]["valid"] == 100
    assert found["down-30s", "mlsecrets"]["calls"] == 1
    assert found["down-30s", "botocore"]["raised early"] == 100
