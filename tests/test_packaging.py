"""What a user installs is what the repository holds, and what it says it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOTS = (
    "mlsecrets",
    "mlsecrets_demo",
    "mlsecrets_ipython",
    "mlsecrets_lightning",
    "mlsecrets_mlflow",
    "mlsecrets_otel",
    "mlsecrets_ray",
    "mlsecrets_serving",
    "mlsecrets_torch",
    "mlsecrets_transformers",
)
HOSTS = {"mlsecrets_lightning": "lightning", "mlsecrets_mlflow": "mlflow"}

OURS = [
    entry
    for entry in metadata.distribution("mlsecrets").entry_points
    if entry.module.startswith("mlsecrets")
]


def constraints() -> list[str]:
    """The lines of constraints.txt that say something."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    """Package name to the one version that holds on this interpreter."""
    holding = [
        pin
        for pin in map(Requirement, constraints())
        if pin.marker is None or pin.marker.evaluate()
    ]
    names = [canonicalize_name(pin.name) for pin in holding]
    assert len(names) == len(set(names)), "a package is pinned twice"
    return {
        name: str(pin.specifier).removeprefix("==")
        for name, pin in zip(names, holding, strict=True)
    }


def needed() -> set[str]:
    """Every installed package that our requirements reach, extras and groups too."""
    project = PROJECT["project"]
    written = [
        *project["dependencies"],
        *chain(*project["optional-dependencies"].values()),
        *chain(*PROJECT["dependency-groups"].values()),
    ]
    waiting = [(Requirement(line), frozenset([""])) for line in written]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, extras = waiting.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            below = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # an extra that this environment goes without
        inner = frozenset(requirement.extras) | {""}
        waiting += [(Requirement(line), inner) for line in below]
    return {name for name, _ in seen} - {"mlsecrets"}


def installed(name: str) -> str | None:
    """A package's version without its local part (``+cpu``), or None."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def test_the_version_is_that_of_pyproject() -> None:
    """It lives there alone: the code asks the installed metadata."""
    assert metadata.version("mlsecrets") == PROJECT["project"]["version"]
    front_door = (ROOT / "mlsecrets/__init__.py").read_text(encoding="utf-8")
    assert PROJECT["project"]["version"] not in front_door


def test_the_entry_points_are_those_of_pyproject() -> None:
    """An environment set up before the last edit is told so here, not by a puzzle."""
    groups = {"console_scripts": PROJECT["project"]["scripts"]}
    groups |= PROJECT["project"]["entry-points"]
    written = {
        (group, name, value)
        for group, entries in groups.items()
        for name, value in entries.items()
    }
    assert {(entry.group, entry.name, entry.value) for entry in OURS} == written


@pytest.mark.parametrize("entry", OURS, ids=lambda e: f"{e.group}:{e.name}")
def test_every_entry_point_loads(entry: metadata.EntryPoint) -> None:
    """What a host looks up by name is a class or a function of ours."""
    host = HOSTS.get(entry.module.split(".")[0])
    if host:
        pytest.importorskip(host)
    loaded = entry.load()
    assert callable(loaded)
    assert loaded.__module__.split(".")[0] in ROOTS


def test_every_guest_is_packed_and_typed() -> None:
    """A folder of integrations/ that pyproject forgot would be missing for users."""
    folders = sorted(path.parent for path in ROOT.glob("integrations/*/__init__.py"))
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert ["mlsecrets", *(f"integrations/{f.name}" for f in folders)] == wheel
    assert tuple(Path(path).name for path in wheel) == ROOTS
    assert PROJECT["tool"]["importlinter"]["root_packages"] == list(ROOTS)


def test_the_wheel_made_from_the_source_archive_is_whole(tmp_path: Path) -> None:
    """Both source roots arrive, with their types, and nothing else does."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    source = {
        path.relative_to(folder.parent).as_posix()
        for folder in (ROOT / "mlsecrets", *ROOT.glob("integrations/mlsecrets_*"))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == source
    assert {f"{root}/py.typed" for root in ROOTS} <= packed
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_constraints_name_versions_and_nothing_else() -> None:
    """No host, path or option: the file means the same wherever packages come from."""
    for line in constraints():
        pin = Requirement(line)
        assert pin.url is None
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), line
        assert "/" not in line
        assert not pin.extras


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_python_has_one_pin_for_a_package(python: str) -> None:
    """Markers split a package between Pythons; they never leave it pinned twice."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    names = [
        canonicalize_name(pin.name)
        for pin in map(Requirement, constraints())
        if pin.marker is None or pin.marker.evaluate(environment)
    ]
    assert len(names) == len(set(names))


def test_all_that_we_need_is_pinned() -> None:
    """Two runs of `make` install the same packages."""
    pinned = pins()
    drifted = {
        name: (version, pinned.get(name))
        for name in needed()
        if (version := installed(name)) and version != pinned.get(name)
    }
    assert drifted == {}


def test_nothing_is_pinned_that_nobody_needs() -> None:
    """A package that left is gone from the constraints too."""
    bundled = {"pip", "setuptools"}  # come with venv, whoever needs them
    assert {name for name in pins() if installed(name)} - needed() - bundled == set()


def test_the_licence_is_apache_2() -> None:
    """The text, the metadata and the file in the wheel agree."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert metadata.metadata("mlsecrets")["License-Expression"] == "Apache-2.0"
