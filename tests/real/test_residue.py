"""What logging in, issuing, renewing and ending leave of the secrets: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlsecrets.devstack import DevStack
from tests.real.bao_parts import KV, with_scope
from tests.real.conftest import Edit

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="searches Linux's /proc"
)


def found(stack: DevStack, edited: Edit, keep: str) -> dict[str, int]:
    """What a process finds that leased by the stack's OpenBao, store and revoker."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.real.residue_child",
            str(with_scope(edited(), KV)),
            str(stack.folder / "role-id"),
            str(stack.folder / "secret-id"),
            keep,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_no_copy_of_any_secret_is_left(stack: DevStack, edited: Edit) -> None:
    """Neither of the identity, nor the login, nor of what was issued and replaced."""
    copies = found(stack, edited, "drop")
    # Two of the identity; key and token of two sessions; two JWTs, two reads of a
    # stored token; the login.
    assert copies.pop("needles") == 2 + 4 + 2 + 2 + 1
    assert copies == {"in use": 0, "after": 0, "strings": 0}


def test_one_string_of_each_is_found(stack: DevStack, edited: Edit) -> None:
    """The positive control: the same search in the same process."""
    copies = found(stack, edited, "keep")
    assert copies["in use"] >= copies["strings"] == copies["needles"]
    assert copies["after"] >= copies["strings"]
