"""The command line as a user has it, and a job's folder to break."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlsecrets.cli._app import app
from mlsecrets.devstack import DevStack
from tests.cli.processes import alive, descendants

Run = Callable[..., Result]
Spawn = Callable[..., "subprocess.Popen[str]"]

#: Files of a stack's folder whose whole content is a secret.
SECRET_FILES = (
    "role-id",
    "secret-id",
    "ada-password",
    "ops-password",
    "hf-token",
    "mlflow-admin-password",
)
#: What tokens of OpenBao and JWTs look like.
SECRET_SHAPES = re.compile(r"\b[sbr]\.[A-Za-z0-9]{24}|hv[sbr]\.[\w-]{20}|eyJ[\w-]{20}")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a verb in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("MLSECRETS_SOCK", raising=False)

    def invoke(*arguments: str | Path) -> Result:
        given = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, given, prog_name="mlsecrets")

    return invoke


@pytest.fixture
def spawn(tmp_path: Path) -> Iterable[Spawn]:
    """Start Python programs; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=env,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:  # the test has failed
            below = descendants(process.pid)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            for pid in alive(below):
                os.kill(pid, signal.SIGTERM)
        process.communicate(timeout=10)


class JobFolder:
    """A job's own copy of a stack's manifest and identity."""

    def __init__(self, stack: DevStack, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "mlsecrets.toml"
        for name in ("mlsecrets.toml", "role-id", "secret-id"):
            shutil.copy(stack.folder / name, folder / name)

    def edit(self, old: str, new: str) -> None:
        """Replace a text of the manifest."""
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))


@pytest.fixture
def job(mlsecrets_stack: DevStack, tmp_path: Path) -> JobFolder:
    """A job's folder that a test may break."""
    return JobFolder(mlsecrets_stack, tmp_path)


def secrets_of(stack: DevStack) -> list[str]:
    """Every secret that lies in a file of the stack."""
    found = [
        (stack.folder / name).read_text()
        for name in SECRET_FILES
        if (stack.folder / name).exists()
    ]
    admin = json.loads((stack.folder / "store-admin.json").read_text())
    pem = (stack.folder / "workload-key.pem").read_text().splitlines()
    return [*found, admin["secret_key"], *pem[1:-1]]


@pytest.fixture
def keeps_secrets(mlsecrets_stack: DevStack) -> Callable[[str], None]:
    """Fails if a text holds a secret of the stack, or what looks like one."""
    secrets = secrets_of(mlsecrets_stack)

    def check(text: str) -> None:
        assert not [secret for secret in secrets if secret in text]
        assert not SECRET_SHAPES.search(text)

    return check
