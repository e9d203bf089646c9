"""The observer looks into another process, with a debugger or without."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("numpy")

from _residue.memory import REGISTERS, STACK, Unseen, looking
from _residue.observe import Observer, Sight
from _residue.secrets import KEY, Secret

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

#: Makes secrets out of its input: one kept as str, one kept in pages that ask not to be
#: dumped, one never turned round; and a locked one.
CHILD = """
import ctypes, mmap, sys
a, b, c, d = (sys.stdin.readline().strip() for _ in range(4))
kept = a[::-1]
libc = ctypes.CDLL(None)
pages = mmap.mmap(-1, 4096)
pages.madvise(16)  # MADV_DONTDUMP
pages[:64] = b[::-1].encode()
locked = mmap.mmap(-1, 4096)
at = ctypes.addressof(ctypes.c_char.from_buffer(locked))
assert libc.mlock(ctypes.c_void_p(at), 4096) == 0
for i in range(64):
    locked[i] = ord(d[63 - i])
print(flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def values() -> list[str]:
    return [secrets.token_hex(32) for _ in range(4)]


@pytest.fixture(scope="module")
def child(values: list[str]) -> Iterator[int]:
    """A process that has made secrets of what it was told: it is told them reversed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("".join(f"{value[::-1]}\n" for value in values))
    process.stdin.flush()
    process.stdout.readline()
    yield process.pid
    process.communicate("\n")


@pytest.fixture(scope="module", params=[True, False], ids=["dump", "read"])
def looked(
    request: pytest.FixtureRequest,
    child: int,
    values: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Sight:
    """What the observer sees of them, each under its own name."""
    needles = [
        Secret(name, value.encode())
        for name, value in zip(
            ("kept", "hidden", "reversed", "locked"), values, strict=True
        )
    ]
    folder = tmp_path_factory.mktemp("core")
    sight = Observer(child, folder, dump=request.param).look(needles)
    if request.param and sight.how != "core dump":
        pytest.skip("no gdb here, or it may not attach")
    return sight


def test_a_string_is_seen(looked: Sight) -> None:
    """And a page that asked to be left out of dumps."""
    assert looked.counts["kept"].full >= 1
    assert looked.counts["hidden"].full >= 1


def test_what_was_never_made_is_not_seen(looked: Sight) -> None:
    """The one that was only told in reverse."""
    assert (looked.counts["reversed"].full, looked.counts["reversed"].pieces) == (0, 0)


def test_locked_memory_is_not_counted(looked: Sight) -> None:
    """Only told apart: it is where leased secrets are kept."""
    count = looked.counts["locked"]
    assert (count.full, count.pieces, count.locked) == (0, 0, 1)


def test_registers_and_stacks_are_there(child: int, tmp_path: Path) -> None:
    """Of every thread, where a debugger may look."""
    with looking(child, tmp_path) as look:
        if look.how != "core dump":
            pytest.skip("no gdb here, or it may not attach")
        sizes = {part.where: len(part.content) for part in look.parts}
    assert sizes[REGISTERS] > 500  # an XSAVE area, at least its legacy part
    assert sizes[STACK] > 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208  no core is left


def test_a_process_that_is_gone_is_no_zero(tmp_path: Path) -> None:
    """It is an error."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(Unseen):
        Observer(process.pid, tmp_path).look([Secret(KEY, os.urandom(40))])
