"""No engine outlives the process that started it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mlsecrets.devstack._errors import DevStackError, EngineFailed, PortTaken
from mlsecrets.devstack._process import Command, Supervisor
from mlsecrets.devstack._readiness import wait_until

SLEEP = ("sleep", "600")
DEADLINE = 10.0  # seconds


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """One of our own."""
    made = Supervisor()
    yield made
    made.close()


def command(tmp_path: Path, *argv: str, name: str = "engine") -> Command:
    """An engine to be."""
    return Command(name, argv, cwd=tmp_path, log=tmp_path / f"{name}.log", env={})


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int) -> bool:
    """Dead, or only waiting for its new parent to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# An owner that starts two engines, one with a child of its own, and reports the pids.
OWNER = """
import os, pathlib, sys, time
from mlsecrets.devstack._process import Command, Supervisor
here = pathlib.Path(sys.argv[1])
supervisor = Supervisor()
supervisor.litter([here / "litter"])
(here / "litter").mkdir(exist_ok=True)
shell = ("sh", "-c", "sleep 600 & echo $!; wait")
pids = [supervisor.pid]
for name, argv in (("one", ("sleep", "600")), ("two", shell)):
    made = Command(name, argv, cwd=here, log=here / f"{name}.log", env={})
    pids.append(supervisor.start(made).pid)
while not (here / "two.log").read_text().strip():
    time.sleep(0.01)
pids.append(int((here / "two.log").read_text()))
{more}
print(*pids, flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Callable[[str], tuple[int, list[int]]]]:
    """Start an owner; its pid, and those of supervisor, engines, and their child."""
    started: list[subprocess.Popen[str]] = []

    def start(more: str = "") -> tuple[int, list[int]]:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER.replace("{more}", more), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process.pid, [int(pid) for pid in process.stdout.readline().split()]

    yield start
    for process in started:
        process.kill()
        with process:
            pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_engines_end_with_their_owner(
    how: signal.Signals, owner: Callable[[], tuple[int, list[int]]], tmp_path: Path
) -> None:
    """The owner's exit handlers are not needed, and the litter goes too."""
    pid, others = owner()
    assert len(others) == 4
    assert not any(map(gone, others))
    os.kill(pid, how)
    assert until(lambda: all(map(gone, others)))
    assert not (tmp_path / "litter").exists()


def test_engines_end_when_the_owner_left_a_fork_behind(
    owner: Callable[[str], tuple[int, list[int]]],
) -> None:
    """A forked worker that still holds the pipe does not keep the engines alive."""
    fork = "worker = os.fork()\nif not worker: time.sleep(600)\npids.append(worker)"
    pid, others = owner(fork)
    *engines, worker = others
    try:
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: all(map(gone, engines)))
        assert not gone(worker)
    finally:
        os.kill(worker, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_engines_end_when_the_supervisor_is_killed(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    """The kernel sees to it; the owner is told, and tidies up in its place."""
    process = supervisor.start(command(tmp_path, *SLEEP))
    (tmp_path / "litter").mkdir()
    supervisor.litter([tmp_path / "litter"])
    os.kill(supervisor.pid, signal.SIGKILL)
    assert until(lambda: gone(process.pid))
    with pytest.raises(DevStackError, match="supervising process is gone"):
        process.returncode()
    supervisor.close()
    assert not (tmp_path / "litter").exists()


def test_a_fork_cannot_stop_its_parent_s_engines(
    owner: Callable[[str], tuple[int, list[int]]],
) -> None:
    """Workers run exit handlers that they inherited."""
    fork = (
        "worker = os.fork()\n"
        "if not worker:\n"
        "    supervisor.close()\n"
        "    os._exit(0)\n"
        "os.waitpid(worker, 0)\n"
        "supervisor.litter([])"
    )
    _, others = owner(fork)
    assert len(others) == 4
    assert not any(map(gone, others))


def test_close_is_quick_and_complete(tmp_path: Path) -> None:
    """When it returns, the processes are gone and reaped, also their children."""
    supervisor = Supervisor()
    shell = "sleep 600 & echo $!; trap '' TERM; wait"
    process = supervisor.start(command(tmp_path, "sh", "-c", shell))
    assert until(lambda: bool(process.log.exists() and process.log.read_text()))
    started = time.monotonic()
    supervisor.close()
    supervisor.close()
    assert time.monotonic() - started < 2.0
    assert not psutil.pid_exists(process.pid)
    assert until(lambda: gone(int(process.log.read_text())))


def test_a_folder_is_removed_but_for_what_is_to_be_kept(tmp_path: Path) -> None:
    """Logs stay where the user named the folder."""
    supervisor = Supervisor()
    for name in ("logs", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    supervisor.litter([tmp_path], keep=["logs"])
    supervisor.close()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert (tmp_path / "logs" / "file").exists()


def test_an_engine_gets_a_minimal_environment(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that happens to be set here reaches it: no proxy, no token."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the developer")
    process = supervisor.start(command(tmp_path, "env"))
    assert until(lambda: process.returncode() == 0)
    names = {line.split("=")[0] for line in process.log.read_text().splitlines()}
    assert names == {"HOME", "PATH"}
    assert process.log.stat().st_mode & 0o777 == 0o600


def test_a_program_that_cannot_start_is_an_error(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    """And the supervisor goes on."""
    with pytest.raises(DevStackError, match=r"cannot start engine: .*No such file"):
        supervisor.start(command(tmp_path, str(tmp_path / "nothing")))
    assert supervisor.start(command(tmp_path, *SLEEP)).returncode() is None


def test_an_engine_that_exits_is_a_failure_with_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    """The error ends with what the engine said last."""
    process = supervisor.start(
        command(tmp_path, "sh", "-c", "echo no such seal; exit 4")
    )
    with pytest.raises(EngineFailed) as caught:
        wait_until(process, lambda: False, DEADLINE)
    assert "engine exited with 4 instead of starting" in str(caught.value)
    assert "no such seal" in str(caught.value)
    assert not isinstance(caught.value, PortTaken)


def test_an_engine_that_takes_too_long_is_a_failure(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    """The error says how long it was waited for."""
    process = supervisor.start(command(tmp_path, *SLEEP))
    with pytest.raises(EngineFailed, match=r"not ready after 0\.1 s"):
        wait_until(process, lambda: False, 0.1)


@pytest.mark.parametrize(
    "words",
    [
        "listen tcp 127.0.0.1:1: bind: address already in use",
        "OSError: [Errno 98] Address already in use",
        "port 21004 for S3 (specified by flag s3.port) is not available on 127.0.0.1",
    ],
)
def test_a_lost_port_is_told_from_other_failures(
    words: str, supervisor: Supervisor, tmp_path: Path
) -> None:
    """It is worth another try on other ports; a wrong configuration is not."""
    process = supervisor.start(command(tmp_path, "sh", "-c", f"echo '{words}'; exit 1"))
    with pytest.raises(PortTaken):
        wait_until(process, lambda: False, DEADLINE)
