"""What tests of the sweep share: secrets born in place, and children that hold them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets.memory import Sealed, SecretBuffer

ROOT = Path(__file__).parents[2]
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

FreshSecret = Callable[..., Sealed]


def fresh(size: int, alphabet: bytes = LETTERS) -> Sealed:
    """Random letters in a buffer, of which no copy exists anywhere else."""
    buffer = SecretBuffer(size)
    with buffer.writable() as view:
        for i in range(size):
            view[i] = alphabet[os.urandom(1)[0] % len(alphabet)]
    return Sealed(buffer, 0, size)


@pytest.fixture
def fresh_secret() -> FreshSecret:
    """Makes secrets of which no copy exists yet."""
    return fresh


@pytest.fixture
def in_child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in a fresh interpreter, which must end well.

    The code begins with what is in `_PRELUDE`.
    """

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", _PRELUDE + textwrap.dedent(code), *arguments],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


_PRELUDE = """\
import ctypes, os, sys, threading
sys.path.insert(0, "tests/sweep")
from conftest import fresh
from mlsecrets.memory import Sealed, SecretBuffer
from mlsecrets.sweep import sweep
"""
