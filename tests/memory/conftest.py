"""What the tests of secret memory share: secrets born in place, and forked children."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from mlsecrets.memory import SecretBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="madvise flags and /proc are Linux's"
)


@pytest.fixture
def fresh_secret() -> Callable[[int], SecretBuffer]:
    """Makes random letters inside a buffer, so that no copy exists anywhere else."""

    def make(size: int) -> SecretBuffer:
        buffer = SecretBuffer(size)
        with buffer.writable() as view:
            for i in range(size):
                view[i] = ord("a") + os.urandom(1)[0] % 26
        return buffer

    return make


@pytest.fixture
def in_child() -> Callable[[Callable[[], None]], int]:
    """Runs a function in a forked child and gives its exit status: 0 if it returned."""

    def run(body: Callable[[], None]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                body()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)

    return run
