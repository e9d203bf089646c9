"""The kernel confirms what `Protection` claims."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlsecrets.memory import Protection, SecretBuffer
from mlsecrets.memory._pages import live_mappings

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's smaps")


def vm_flags(address: int) -> set[str]:
    """The VmFlags of the mapping around an address (proc_pid_smaps(5))."""
    inside = False
    with Path("/proc/self/smaps").open(encoding="utf-8") as smaps:
        for line in smaps:
            first, *rest = line.split()
            if "-" in first and not first.endswith(":"):
                start, end = (int(part, 16) for part in first.split("-"))
                inside = start <= address < end
            elif inside and first == "VmFlags:":
                return set(rest)
    raise LookupError(hex(address))


@linux
def test_the_kernel_lists_the_granted_protections() -> None:
    """lo: locked, dd: not dumped, wf: wiped on fork; each exactly when claimed."""
    with SecretBuffer(100) as buffer:
        flags = vm_flags(buffer.address)
        granted = buffer.protection
        assert ("lo" in flags) is (granted.kind == "mlocked")
        assert ("dd" in flags) is granted.undumpable
        assert ("wf" in flags) is granted.wiped_on_fork


@linux
def test_all_protections_are_granted_where_nothing_forbids_them() -> None:
    """On this kernel, within RLIMIT_MEMLOCK, there is no reason for less."""
    with SecretBuffer(100) as buffer:
        if buffer.protection.kind == "plain":
            pytest.skip(f"mlock not allowed here: {buffer.protection.reasons}")
        assert buffer.protection == Protection("mlocked", True, True, ())


# Imports come first: afterwards the process may be nobody, who reads no files of ours.
_WITHOUT_MLOCK = """
import ctypes, os, resource
from mlsecrets.memory import SecretBuffer
SecretBuffer(1).close()
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with SecretBuffer.of("secret") as buffer:
    assert buffer.text() == "secret"
    print(buffer.protection.kind, buffer.protection.undumpable,
          buffer.protection.wiped_on_fork, *buffer.protection.reasons, sep="|")
"""


@linux
def test_without_a_memlock_allowance_it_works_and_says_so() -> None:
    """RLIMIT_MEMLOCK 0, unprivileged: plain, the rest kept, and the reason given."""
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-c", _WITHOUT_MLOCK],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if os.getuid() == 0 and "PermissionError" in done.stderr:
        pytest.skip("root here may not become another user")
    assert done.returncode == 0, done.stderr
    kind, undumpable, wiped, *reasons = done.stdout.strip().split("|")
    assert (kind, undumpable, wiped) == ("plain", "True", "True")
    (reason,) = reasons
    assert reason.startswith("may go to swap: mlock: ")
    assert reason.endswith("RLIMIT_MEMLOCK (ulimit -l) is 0 bytes")


def test_closing_gives_the_memory_back() -> None:
    """A thousand buffers opened and closed leave no mapping behind."""
    before = list(live_mappings())
    for _ in range(1000):
        SecretBuffer.of("secret").close()
    assert list(live_mappings()) == before


def test_platforms_without_the_advice_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on Linux the buffer works, with less and with reasons."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with SecretBuffer.of("secret") as buffer:
        assert buffer.text() == "secret"
        assert not buffer.protection.undumpable
        assert not buffer.protection.wiped_on_fork
        assert "forked children inherit it: madvise(18) is Linux only" in (
            buffer.protection.reasons
        )


def test_importing_loads_no_ctypes() -> None:
    """Processes without a secret do not pay for ctypes."""
    code = "import mlsecrets.memory, sys; sys.exit('ctypes' in sys.modules)"
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-c", code], timeout=60, check=False
    )
    assert done.returncode == 0
