"""`mlsecrets demo` hands over to the guest that trains."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Spawn = Callable[..., "subprocess.Popen[str]"]

#: A guest in the place of the real one: prints what it was started with.
GUEST = "import os, sys; print(os.getpid(), *sys.argv[1:]); sys.exit(3)\n"


def test_a_missing_package_is_told_with_what_installs_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started before all of it is there."""
    monkeypatch.setattr("mlsecrets.cli._demo.PACKAGES", ("json", "no_such_package"))
    shown = run("demo")
    assert shown.exit_code == 1
    assert "the package no_such_package is not installed" in shown.stderr
    assert "what to do: pip install 'mlsecrets[demo]'" in shown.stderr


def test_a_wrong_option_is_found_before_anything_starts(run: Run) -> None:
    """In this process, in our words."""
    assert run("demo", "--ttl", "10").exit_code == 2
    assert run("demo", "--seconds", "0").exit_code == 2


def test_the_guest_takes_our_place_with_the_same_options(
    spawn: Spawn, tmp_path: Path
) -> None:
    """One process: its signals, its exit status."""
    (tmp_path / "mlsecrets_demo.py").write_text(GUEST)
    program = (
        "import os, sys; sys.path.insert(0, os.getcwd())\n"
        "os.environ['PYTHONPATH'] = os.getcwd()\n"
        "sys.argv[1:] = ['demo', '--ttl', '20s', '--seconds', '5', '--json',\n"
        "                '--out', 'here', '--no-control']\n"
        "from mlsecrets.cli import _demo, main\n"
        "_demo.PACKAGES = ('mlsecrets_demo',)\n"
        "main()\n"
    )
    process = spawn("-c", program)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 3, errors
    arguments = "--ttl 20s --seconds 5 --out here --no-control --json"
    assert output == f"{process.pid} {arguments}\n"
