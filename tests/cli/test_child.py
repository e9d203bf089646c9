"""The command inside the stack behaves as if the stack were not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]

#: Runs its arguments as `mlsecrets dev -- ...` does, without the stack.
RUN = (
    "import sys; from pathlib import Path; from mlsecrets.cli._child import run; "
    "from mlsecrets.cli._dev import _inside; "
    "sys.exit(run(sys.argv[1:], _inside(Path('/manifest'))))"
)
#: Waits for a signal, then a while for another; prints what came and exits with 9.
LISTEN = (
    "import signal, sys\n"
    "wanted = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n"
    "print('ready', flush=True)\n"
    "seen = [signal.sigwait(wanted)]\n"
    "more = signal.sigtimedwait(wanted, 0.5)\n"
    "print('seen', *(int(s) for s in seen), more and more.si_signo, flush=True)\n"
    "sys.exit(9)\n"
)

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "sigtimedwait"), reason="the probe needs sigtimedwait"
)


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and last line."""
    output, _ = process.communicate(timeout=20)
    return process.returncode, output.strip().splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_passed_on_and_the_status_comes_back(
    spawn: Spawn, number: signal.Signals
) -> None:
    """Once, and what the command makes of it is its own business."""
    process = spawn("-c", RUN, sys.executable, "-c", LISTEN)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert outcome(process) == (9, f"seen {int(number)} None")


def test_a_signal_to_our_group_arrives_once(spawn: Spawn) -> None:
    """`timeout` sends it to us and then to our group; a job must not be hit twice."""
    process = spawn("-c", RUN, sys.executable, "-c", LISTEN)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert outcome(process) == (9, f"seen {int(signal.SIGINT)} None")


def test_ctrl_c_at_a_terminal_arrives_once(spawn: Spawn) -> None:
    """The terminal sends it to the command itself: we do not send it again."""
    terminal = (
        "import os, pty, sys; "
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    )
    process = spawn(
        "-c", terminal, sys.executable, "-c", RUN, sys.executable, "-c", LISTEN
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    process.stdin.write("\x03")
    process.stdin.flush()
    status, last = outcome(process)
    assert (status, last.removeprefix("^C")) == (9, f"seen {int(signal.SIGINT)} None")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["true"], 0),
    ],
)
def test_the_exit_status_is_as_a_shell_would_report_it(
    spawn: Spawn, command: list[str], status: int
) -> None:
    """Also for a command that a signal ended."""
    assert spawn("-c", RUN, *command).wait(20) == status


def test_the_command_finds_the_manifest_and_no_other_owner(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease around the stack is of another manifest."""
    monkeypatch.setenv("MLSECRETS_SOCK", "/elsewhere")
    script = 'echo "$MLSECRETS_CONFIG ${MLSECRETS_SOCK-none}"'
    assert outcome(spawn("-c", RUN, "sh", "-c", script)) == (0, "/manifest none")


def test_its_standard_input_is_ours(spawn: Spawn) -> None:
    """Nothing stands in between."""
    process = spawn("-c", RUN, "cat")
    output, _ = process.communicate("typed\n", timeout=20)
    assert output == "typed\n"


def test_an_ignored_signal_stays_ignored(spawn: Spawn, tmp_path: Path) -> None:
    """`nohup mlsecrets dev -- job` survives the end of its terminal."""
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {RUN}"
    script = 'echo ready; read line; echo "$line"'
    process = spawn("-c", ignoring, "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    output, _ = process.communicate("alive\n", timeout=20)
    assert (process.returncode, output) == (0, "alive\n")
