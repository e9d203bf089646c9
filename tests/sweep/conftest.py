"""What tests of the sweep share: secrets born in place, processes that hold them."""

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
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def fresh_secret() -> Callable[..., Sealed]:
    """Makes secrets of random letters in a buffer, of which no other copy exists."""

    def make(size: int, before: bytes = b"", after: bytes = b"") -> Sealed:
        buffer = SecretBuffer(len(before) + size + len(after))
        with buffer.writable() as view:
            view[: len(before)] = before
            for i in range(size):
                view[len(before) + i] = LETTERS[os.urandom(1)[0] % len(LETTERS)]
            view[len(before) + size :] = after
        return Sealed(buffer, 0, buffer.size)

    return make


@pytest.fixture
def in_process() -> Callable[..., str]:
    """Runs code in a fresh interpreter, which must end well; what it printed.

    It finds `secret`, a sealed value of 40 random letters, `held`, a bytearray with a
    copy of it, and `sweep`. What is given besides is a command to run it by.
    """

    def run(code: str, *by: str) -> str:
        done = subprocess.run(
            [*by, sys.executable, "-c", _PRELUDE + textwrap.dedent(code)],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


_PRELUDE = """\
import ctypes, os, sys, threading
from mlsecrets.memory import Sealed, SecretBuffer
from mlsecrets.sweep import sweep

buffer = SecretBuffer(40)
with buffer.writable() as view:
    for i in range(40):
        view[i] = 97 + os.urandom(1)[0] % 26
secret = Sealed(buffer, 0, 40)
held = bytearray(40)
with secret.reading() as view:
    held[:] = view
prctl = ctypes.CDLL(None).prctl
"""
