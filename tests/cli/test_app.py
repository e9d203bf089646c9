"""The command as a whole: its help, its errors, its exit status."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import Result

from mlsecrets.errors import ManifestError

Run = Callable[..., Result]

#: Every option of every verb. The README quotes them: a change here is one there.
OPTIONS = {
    "": {"--version", "--traceback"},
    "demo": {"--ttl", "--seconds", "--out", "--no-control", "--json"},
    "dev": {"--ttl", "--mlflow", "--seed", "--folder"},
    "doctor": {"--config", "--job-length", "--json"},
    "init": {"--openbao", "--force"},
    "run": {"--env", "--keeper", "--config"},
    "status": {"--journal", "--json"},
    "timeline": {"--out", "--last"},
    "top": {"--journal", "--once"},
}


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_names_every_option_and_says_what_it_is_for(run: Run, verb: str) -> None:
    """No option is missing, none is new, and each has a sentence."""
    shown = run(*filter(None, [verb]), "--help")
    assert shown.exit_code == 0
    listed = dict(
        re.findall(
            r"^  (?:-\w, )?(--[\w-]+)(?: [A-Z]+)?\s+(\S.*)$",
            shown.stdout,
            re.MULTILINE,
        )
    )
    assert set(listed) == OPTIONS[verb] | {"--help"}
    assert all(sentence[0].isupper() for sentence in listed.values())


def test_help_lists_every_verb(run: Run) -> None:
    """Without arguments, the verbs are shown."""
    for arguments in ([], ["--help"]):
        shown = run(*arguments).output
        listed = re.findall(
            r"^  ([a-z]+)  +[A-Z]", shown.partition("Commands:")[2], re.MULTILINE
        )
        assert sorted(listed) == sorted(filter(None, OPTIONS))


def test_the_version_is_the_installed_one(run: Run) -> None:
    """One line, to be quoted in reports."""
    assert run("--version").stdout == f"mlsecrets {version('mlsecrets')}\n"


@pytest.mark.parametrize(
    "start",
    [["-m", "mlsecrets"], ["-c", "from mlsecrets.cli import main; main()"]],
)
def test_it_starts_as_a_module_and_as_a_command(start: list[str]) -> None:
    """The console script calls `mlsecrets.cli:main`; both exit with its status."""
    for arguments, status in ((["--version"], 0), (["--nonsense"], 2)):
        done = subprocess.run(
            [sys.executable, *start, *arguments], capture_output=True, check=False
        )
        assert done.returncode == status


def test_help_loads_nothing_that_a_verb_needs() -> None:
    """It answers at once: neither rich nor a client library is imported."""
    program = (
        "import sys; sys.argv = ['mlsecrets', 'doctor', '--help']\n"
        "from mlsecrets.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('LOADED', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.partition("LOADED ")[2].split())
    heavy = {"requests", "fsspec", "boto3", "mlflow", "torch", "mlsecrets._session"}
    assert not loaded & (heavy | {"rich.console", "rich.table", "mlsecrets.devstack"})


def test_our_errors_are_paragraphs_on_standard_error(run: Run) -> None:
    """The message and what to do; no traceback, and nothing on standard output."""
    shown = run("status")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr.startswith("CommandError: there is nothing to ask")
    assert "\n  what to do: name one: mlsecrets status --journal" in shown.stderr


def test_traceback_shows_where_an_error_came_from(run: Run) -> None:
    """For bug reports; it still never shows local variables."""
    done = subprocess.run(
        [sys.executable, "-m", "mlsecrets", "--traceback", "status", "--journal", "no"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "CommandError: the journal no cannot be read" in done.stderr
    assert "locals" not in done.stderr


def test_wrong_options_exit_with_2(run: Run) -> None:
    """A mistake in typing is not a finding; the option is named."""
    shown = run("doctor", "--job-length", "12")
    assert shown.exit_code == 2
    assert "'--job-length'" in shown.stderr
    assert '"10s", "5m" or "1h30m", got \'12\'' in shown.stderr


def test_ctrl_c_is_quiet_and_exits_with_130(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Here while a server keeps us waiting."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        manifest = tmp_path / "mlsecrets.toml"
        started = spawn("-m", "mlsecrets", "init", "--openbao", address)
        assert started.wait(20) == 0
        doctor = spawn("-m", "mlsecrets", "doctor", "--config", manifest)
        mute.settimeout(20)
        connection, _ = mute.accept()
        with connection:
            doctor.send_signal(signal.SIGINT)
            _, errors = doctor.communicate(timeout=20)
    assert doctor.returncode == 130
    assert errors.strip() == ""


def test_a_broken_manifest_is_told_with_everything_that_is_wrong(
    run: Run, tmp_path: Path
) -> None:
    """As a finding of doctor, so that machines get it too."""
    (tmp_path / "mlsecrets.toml").write_text('api = "mlsecrets/v2"\n')
    shown = run("doctor")
    assert shown.exit_code == 1
    assert "FAIL  manifest" in shown.stdout
    assert "'mlsecrets/v1'" in shown.stdout
    assert "what to do" in shown.stdout
    assert issubclass(ManifestError, ValueError)
