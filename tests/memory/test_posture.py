"""A hardened process keeps debuggers and core dumps away, and goes back as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from mlsecrets.memory import Posture, _posture

if sys.platform != "linux":
    pytest.skip("prctl is Linux's", allow_module_level=True)

import resource

State = tuple[int, tuple[int, int]]


def state() -> State:
    """Dumpable, and the limits of core files."""
    return _posture._get_dumpable(), resource.getrlimit(resource.RLIMIT_CORE)


@pytest.fixture
def before() -> Iterator[State]:
    """A process that is dumpable and writes core files, if it may; put back after."""
    dumpable, limits = state()
    _, hard = limits
    _posture._set_dumpable(1)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield state()
    _posture._set_dumpable(dumpable)
    resource.setrlimit(resource.RLIMIT_CORE, limits)


def hardened(before: State) -> State:
    """What a hardened process has: the hard limit is not ours to lower."""
    return 0, (0, before[1][1])


def test_hardening_is_undone_exactly(before: State) -> None:
    """Both settings change, and come back."""
    posture = Posture()
    assert posture.harden() == ()
    assert posture.hardened
    assert state() == hardened(before)
    assert posture.restore() == ()
    assert not posture.hardened
    assert state() == before


def test_asking_twice_is_asking_once(before: State) -> None:
    """Harden and restore are both idempotent."""
    posture = Posture()
    posture.harden()
    posture.harden()
    posture.restore()
    assert state() == before
    _posture._set_dumpable(0)
    assert posture.restore() == ()
    assert state()[0] == 0


def test_the_last_to_let_go_puts_back(before: State) -> None:
    """Two sessions may ask for it, and end in any order."""
    first, second = Posture(), Posture()
    first.harden()
    second.harden()
    first.restore()
    assert state() == hardened(before)
    second.restore()
    assert state() == before


def test_it_is_a_context(before: State) -> None:
    """Also when the block fails."""
    with Posture():
        assert state() == hardened(before)
    assert state() == before
    with pytest.raises(KeyError), Posture():
        raise KeyError
    assert state() == before


def test_what_somebody_else_has_changed_stays_theirs(before: State) -> None:
    """Each setting for itself, with a sentence for the one that was left."""
    posture = Posture()
    posture.harden()
    _posture._set_dumpable(1)
    assert posture.restore() == (
        "debuggers and core dumps: left as somebody else has set them meanwhile",
    )
    assert state() == (1, before[1])


def test_a_hard_limit_lowered_meanwhile_is_told(
    in_child: Callable[[Callable[[], None]], int], before: State
) -> None:
    """The soft limit cannot come back above it."""
    if before[1][0] == 0:
        pytest.skip("core files are forbidden here")

    def child() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        posture = Posture()
        posture.harden()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        (sentence,) = posture.restore()
        assert sentence.startswith("core files: not put back: ")

    assert in_child(child) == 0


def test_allowing_lasts_for_its_block(before: State) -> None:
    """The helper may attach meanwhile; core files stay forbidden."""
    with Posture() as posture:
        with posture.allow(os.getpid()) as refused:
            assert refused == ()
            assert state() == (1, (0, before[1][1]))
        assert state() == hardened(before)
    assert state() == before


def test_allowing_without_hardening_changes_nothing(before: State) -> None:
    """A process that was open is open after."""
    with Posture().allow(os.getpid()):
        assert state() == before
    assert state() == before


def test_a_block_that_allows_leaves_a_change_by_somebody_else(before: State) -> None:
    """Who hardens the process by other means is not undone by our sweep."""
    with Posture().allow(os.getpid()):
        _posture._set_dumpable(0)
    assert state()[0] == 0


def test_elsewhere_it_says_what_it_cannot(
    before: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Core files are limited there, too; prctl is Linux's."""
    monkeypatch.setattr(sys, "platform", "darwin")
    posture = Posture()
    assert posture.harden() == (
        "debuggers and core dumps: left as they were: prctl is Linux only",
    )
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    assert posture.restore() == ()
    with posture.allow(1) as refused:
        assert refused == (
            "debuggers and core dumps: left as they were: prctl is Linux only",
            "process 1 may not attach: prctl: prctl is Linux only",
        )
    monkeypatch.undo()
    assert state() == before


# An ordinary user's process, which its own children try to trace.
_TRACED = """
import ctypes, errno, os
from mlsecrets.memory import Posture, _posture
libc = ctypes.CDLL(None, use_errno=True)
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
_posture._set_dumpable(1)  # which becoming another user has unset

def attach(turn):
    wait, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(wait, 1)
        failed = libc.ptrace(0x4206, os.getppid(), 0, 0)  # PTRACE_SEIZE
        os._exit(ctypes.get_errno() if failed else 0)
    with turn(pid):
        os.write(go, b"x")
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

import contextlib
nothing = lambda pid: contextlib.nullcontext()
posture = Posture()
print(attach(posture.allow))
posture.harden()
print(errno.errorcode.get(attach(nothing)))
print(attach(posture.allow))
print(errno.errorcode.get(attach(nothing)))
"""


def test_a_child_may_attach_only_while_it_is_allowed() -> None:
    """The kernel agrees: refused, granted, refused again."""
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-c", _TRACED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "PermissionError" in done.stderr:
        pytest.skip("root here may not become another user")
    assert done.returncode == 0, done.stderr
    before, *hardened = done.stdout.split()
    if before != "0":
        pytest.skip(f"ptrace is refused here altogether: error {before}")
    assert hardened == ["EPERM", "0", "EPERM"]
