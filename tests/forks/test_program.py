"""Forks of a program that renews for real: a short form of the benchmark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("botocore")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

SCRIPT = Path(__file__).parents[2] / "benchmarks/forks.py"


def test_children_read_and_have_nothing_else_of_their_parents() -> None:
    """No secret in any form, whole or in pieces; no lock, no thread; and none hangs.

    The benchmark itself fails where that is not so, and where what it planted in the
    children was not found.
    """
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "--over", "TLS"),
            *("--looked-at", "6", "--hard", "12", "--keeper", "0"),
            *("--revealing", "0", "--peer", "0"),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    looked_at, hard = (
        line.partition("TLS")[2].split()
        for line in done.stdout.splitlines()
        if line.startswith("mlsecrets")
    )
    assert (looked_at[0], hard[0]) == ("6", "12")
    assert looked_at[4] == "6"
