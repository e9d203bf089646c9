"""A core dump shows what a `str` holds and not what a buffer holds.

gdb dumps the process from outside, also the parts that it asks to leave out.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GDB = shutil.which("gdb")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="dumps as on Linux"),
    pytest.mark.skipif(GDB is None, reason="no gdb here to dump a core with"),
]

# Reads three secrets: into a buffer, into one of a kernel without memfd_secret, and as
# a str made from a buffer. Then waits with all of them.
_HOLDER = """
import os, sys
from mlsecrets.memory import SecretBuffer, _pages_linux
def read():
    buffer = SecretBuffer(40)
    with buffer.writable() as view:
        assert os.readv(0, [view]) == 40
    return buffer
hidden = read()
number, _pages_linux._MEMFD_SECRET = _pages_linux._MEMFD_SECRET, 9999
_pages_linux._SPARE.clear()
locked = read()
_pages_linux._MEMFD_SECRET = number
shown = read().text()
print(hidden.protection.kind, locked.protection.kind, flush=True)
sys.stdin.buffer.raw.read(1)
"""


def dump(pid: int, to: Path) -> bytes:
    """The core of a process, with what it would rather leave out."""
    commands = (
        *("-iex", "set auto-load off", "-iex", "set auto-solib-add off"),
        *("-iex", "set debuginfod enabled off"),
        *("-ex", "set use-coredump-filter off", "-ex", "set dump-excluded-mappings on"),
        *("-p", str(pid), "-ex", f"gcore {to}"),
    )
    done = subprocess.run(  # gdb, on a process of ours
        [str(GDB), "-nx", "-batch", *commands],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if not to.exists():
        pytest.skip(f"gdb may not attach here: {done.stderr.strip().splitlines()[-1:]}")
    return to.read_bytes()


def test_a_buffer_is_not_in_a_core_dump(tmp_path: Path) -> None:
    """A str is, and so is memory that was only locked: the dump was a real one."""
    hidden, locked, shown = (secrets.token_hex(20).encode() for _ in range(3))
    with subprocess.Popen(  # our own interpreter and code
        [sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            os.write(holder.stdin.fileno(), hidden + locked + shown)
            kinds = holder.stdout.readline().decode().split()
            core = dump(holder.pid, tmp_path / "core")
        finally:
            holder.stdin.close()
    assert holder.returncode == 0
    assert shown in core
    if kinds == ["secretmem", "mlocked"]:
        assert locked in core
    if kinds[0] != "secretmem":
        pytest.skip(f"this kernel gave {kinds[0]} memory, which a debugger reads")
    assert hidden not in core
