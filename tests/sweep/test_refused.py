"""Where a sweep is not allowed nothing is written, and the report says why."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mlsecrets.memory import Sealed
from mlsecrets.sweep import sweep

FreshSecret = Callable[..., Sealed]
InProcess = Callable[..., str]

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="reads and stops processes by Linux's ptrace"
)

#: Of capabilities, which a program of another user starts with.
SETS = ("inh-caps", "ambient-caps", "bounding-set")
# seccomp(2): a filter in BPF that answers one system call with EPERM.
FORBID = """
import struct
def forbid(number):
    prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    steps = b"".join(
        struct.pack("HBBI", *step)
        for step in (
            (0x20, 0, 0, 0),           # load the number
            (0x15, 0, 1, number),      # if it is this one
            (0x06, 0, 0, 0x50000 | 1), # answer EPERM
            (0x06, 0, 0, 0x7FFF0000),  # else go on
        )
    )
    program = ctypes.create_string_buffer(steps)
    filter = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", 4, ctypes.addressof(program))
    )
    assert prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filter)), 0, 0) == 0
PTRACE, READV = {"x86_64": (101, 310), "aarch64": (117, 270)}[os.uname().machine]
"""


@linux
def test_without_ptrace_copies_are_counted_and_stay(in_process: InProcess) -> None:
    """As in a container that forbids it: first stopping, then reading as well."""
    in_process(
        FORBID
        + """
before = hash(bytes(held))
forbid(PTRACE)
report = sweep([secret])
assert report.refused == (
    "this process cannot be stopped: ptrace: operation not permitted"
), report.refused
assert report.copies >= 1 and report.left == report.copies + report.fragments
assert (report.wiped, report.passes) == (0, 1)
forbid(READV)
report = sweep([secret])
assert report.refused == "this process cannot be read: operation not permitted"
assert report.copies >= 1 and report.left == report.copies
assert report.wiped == report.passes == 0
assert report.notes == ("full copies only were counted, from inside",)
assert hash(bytes(held)) == before
"""
    )


@linux
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="changes user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux")
def test_an_ordinary_user_without_locked_memory_is_swept(
    in_process: InProcess,
) -> None:
    """An undumpable process lets its helper in, and nobody else afterwards.

    What could not be locked is still left alone: it is where the secret belongs.
    """
    in_process(
        """
        with secret.reading() as view:
            first = view[0]
        assert buffer.protection.kind == "plain"
        prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
        report = sweep([secret])
        assert (report.refused, report.left) == (None, 0), report
        assert held == b"x" * 40
        with secret.reading() as view:
            assert view[0] == first and set(view) != {ord("x")}
        assert os.getuid() == 65534
        assert prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
        """,
        # Allowed only to read files: the interpreter may lie in root's home.
        *[
            "prlimit",
            "--memlock=0:0",
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
        ],
        *(f"--{kind}=-all,+dac_read_search" for kind in SETS),
    )


@linux
def test_a_daemon_without_open_files_is_swept(in_process: InProcess) -> None:
    """Also one that holds back signals; and no child of it remains."""
    in_process(
        """
        import signal
        errors = os.dup(2)
        os.closerange(0, 3)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        report = sweep([secret])
        os.dup2(errors, 2)
        assert (report.refused, report.left) == (None, 0), report
        assert held == b"x" * 40
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            os._exit(0)
        sys.exit("there is a child left")
        """
    )


@linux
def test_a_helper_that_dies_takes_nobody_along(
    in_process: InProcess, tmp_path: Path
) -> None:
    """Also a program in which a broken pipe is the end, as in many a script."""
    program = tmp_path / "python"
    # Hears nothing any more, and says that it is ready.
    program.write_text(
        "#!/bin/sh\nexec <&-\nprintf '\\0\\0\\0\\002{}'\nexec sleep 60\n"
    )
    program.chmod(0o700)
    in_process(
        f"""
        import signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        sys.executable = {str(program)!r}
        report = sweep([secret])
        assert report.refused == "its helper process died", report
        assert report.copies == report.left == 1
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
        """
    )


@linux
def test_time_runs_out(fresh_secret: FreshSecret) -> None:
    """The helper is ended, and reaped."""
    secret = fresh_secret(40)
    held = secret.text()
    before = psutil.Process().children()
    report = sweep([secret], timeout=0.0)
    assert report.refused == "it took too long, and was ended"
    assert report.wiped == 0
    with secret.reading() as view:
        assert held.encode() == view
    assert psutil.Process().children() == before


@linux
@pytest.mark.parametrize(
    ("interpreter", "why"),
    [
        ("", "no helper process: sys.executable names no interpreter"),
        ("/nowhere/python", "no helper process: no such file or directory"),
        ("/bin/echo", "its helper process died"),
        ("/bin/true", "its helper process died"),
    ],
)
def test_without_an_interpreter(
    fresh_secret: FreshSecret,
    monkeypatch: pytest.MonkeyPatch,
    interpreter: str,
    why: str,
) -> None:
    """Python inside another program may not know of one."""
    monkeypatch.setattr(sys, "executable", interpreter)
    secret = fresh_secret(40)
    held = secret.text()
    report = sweep([secret])
    assert report.refused == why
    assert report.copies == report.left == 1
    del held


@linux
def test_without_numpy_full_copies_are_swept(in_process: InProcess) -> None:
    """Fragments stay, and the report says that they were not looked for."""
    in_process(
        """
        from importlib.machinery import PathFinder

        find = PathFinder.find_spec
        PathFinder.find_spec = lambda name, *where: (
            None if name == "numpy" else find(name, *where)
        )
        whole = secret.text()
        hexadecimal = whole.encode().hex()
        piece = bytearray(whole[:30].encode())
        report = sweep([secret])
        assert report.notes == ["no numpy: fragments were not looked for"]
        assert report.copies >= 3
        assert (report.refused, report.fragments, report.left) == (None, 0, 0)
        assert held == b"x" * 40
        assert whole == "x" * 40
        assert hexadecimal == "x" * 80
        with secret.reading() as view:
            assert piece == view[:30]
        """
    )


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_than_on_linux(
    fresh_secret: FreshSecret, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """There is no way to do it, and that is what the report says."""
    secret = fresh_secret(40)
    monkeypatch.setattr(sys, "platform", platform)
    report = sweep([secret])
    assert report.refused == f"sweeping works on Linux only, not {platform}"
    assert report.wiped == 0
