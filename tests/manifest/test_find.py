"""The manifest is the one that was named, else the nearest above."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlsecrets.errors import ManifestError, ManifestNotFound
from mlsecrets.manifest import find


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two nested folders with a manifest in the outer one, and a third beside."""
    (tmp_path / "outer" / "inner" / "innermost").mkdir(parents=True)
    (tmp_path / "outer" / "mlsecrets.toml").touch()
    (tmp_path / "named.toml").touch()
    (tmp_path / "other.toml").touch()
    return tmp_path


def test_what_is_given_comes_first(tree: Path) -> None:
    """An explicit path wins over the variable and over the folders."""
    environ = {"MLSECRETS_CONFIG": str(tree / "other.toml")}
    found = find(tree / "named.toml", environ, tree / "outer")
    assert found == tree / "named.toml"
    assert find(str(tree / "named.toml"), environ, tree / "outer") == found


def test_the_variable_comes_second(tree: Path) -> None:
    """MLSECRETS_CONFIG wins over the folders."""
    environ = {"MLSECRETS_CONFIG": str(tree / "other.toml")}
    assert find(None, environ, tree / "outer") == tree / "other.toml"


def test_the_nearest_folder_comes_third(tree: Path) -> None:
    """From the working directory upwards; an empty variable is none."""
    innermost = tree / "outer" / "inner" / "innermost"
    outer = tree / "outer" / "mlsecrets.toml"
    assert find(None, {}, innermost) == outer
    assert find(None, {"MLSECRETS_CONFIG": ""}, tree / "outer") == outer
    (tree / "outer" / "inner" / "mlsecrets.toml").touch()
    assert find(None, {}, innermost) == tree / "outer" / "inner" / "mlsecrets.toml"


def test_a_folder_of_that_name_is_passed_over(tree: Path) -> None:
    """Only a file is a manifest."""
    (tree / "outer" / "inner" / "mlsecrets.toml").mkdir()
    assert find(None, {}, tree / "outer" / "inner") == tree / "outer" / "mlsecrets.toml"


def test_relative_paths_start_at_the_working_directory(tree: Path) -> None:
    """What is found is absolute, however it was named."""
    assert find("named.toml", {}, tree) == tree / "named.toml"
    environ = {"MLSECRETS_CONFIG": "../named.toml"}
    assert find(None, environ, tree / "outer").samefile(tree / "named.toml")


def test_nothing_found_says_where_it_looked_and_how_to_get_one(tree: Path) -> None:
    """The remedy names both commands that make one."""
    (tree / "empty").mkdir()
    with pytest.raises(ManifestNotFound) as caught:
        find(None, {}, tree / "empty")
    assert str(caught.value) == (
        f"no mlsecrets.toml in {tree / 'empty'} or a folder above it, "
        "and MLSECRETS_CONFIG is not set"
    )
    assert caught.value.remedy
    assert "`mlsecrets init`" in caught.value.remedy
    assert "`mlsecrets dev`" in caught.value.remedy


@pytest.mark.parametrize("environ", [{}, {"MLSECRETS_CONFIG": "missing.toml"}])
def test_what_is_named_is_never_passed_over(
    tree: Path, environ: dict[str, str]
) -> None:
    """A typing mistake must not lease by another manifest."""
    explicit = None if environ else "missing.toml"
    with pytest.raises(ManifestNotFound, match="is not there") as caught:
        find(explicit, environ, tree / "outer")
    assert "missing.toml" in str(caught.value)
    assert ("MLSECRETS_CONFIG names" in str(caught.value)) is bool(environ)


def test_naming_a_folder_says_what_was_expected(tree: Path) -> None:
    """The folder of the manifest instead of its file."""
    with pytest.raises(ManifestNotFound, match="is a folder; expected a file such as"):
        find(tree / "outer", {}, tree)


def test_a_file_that_another_user_put_above_us_is_refused(tmp_path: Path) -> None:
    """It could send our identity to their server; named explicitly it is trusted."""
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    path = tmp_path / "mlsecrets.toml"
    path.write_text("")
    os.chown(path, 65534, 65534)
    with pytest.raises(ManifestError, match="belongs to user") as caught:
        find(None, {}, tmp_path)
    assert f"MLSECRETS_CONFIG={path}" in (caught.value.remedy or "")
    assert find(None, {"MLSECRETS_CONFIG": str(path)}, tmp_path) == path
