"""`import mlsecrets` is cheap: it loads a table of contents and nothing else.

How many milliseconds that takes is measured by ``benchmarks/import_time.py``; a test
on a busy machine could only guess.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "aiobotocore",
    "asyncio",
    "boto3",
    "botocore",
    "fsspec",
    "lightning",
    "mlflow",
    "numpy",
    "ray",
    "requests",
    "rich",
    "s3fs",
    "tenacity",
    "torch",
    "typer",
)


def modules_after(code: str) -> set[str]:
    """Every module that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What `import mlsecrets` adds to a bare interpreter."""
    return modules_after("import mlsecrets") - modules_after("pass")


@pytest.mark.parametrize("name", HEAVY)
def test_importing_mlsecrets_loads_nothing_heavy(name: str, loaded: set[str]) -> None:
    """No host library, HTTP client or console toolkit arrives with the import."""
    assert name not in loaded


def test_importing_mlsecrets_runs_no_implementation(loaded: set[str]) -> None:
    """The front door alone is loaded; a name's module comes when it is first used."""
    assert {name for name in loaded if name.split(".")[0] == "mlsecrets"} == {
        "mlsecrets"
    }


def test_the_errors_come_without_an_http_client() -> None:
    """`except mlsecrets.MLSecretsError` in a program costs it no network stack."""
    loaded = modules_after("import mlsecrets; mlsecrets.MLSecretsError")
    assert "mlsecrets.errors" in loaded
    assert not loaded & {"requests", "ssl", "socket"}
