"""A keeper that cannot be started, or cannot begin: its own error, and nothing left."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlsecrets import configure, errors, lease
from mlsecrets._broker._peers import Peers
from mlsecrets._broker._place import Place
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._keeper.start import Orders, start
from mlsecrets.devstack import DevStack
from tests.keeper.trainer import eventually
from tests.real.conftest import Edit


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where all places are made; nothing may be left in it, nor in the environment."""
    monkeypatch.setattr("mlsecrets._broker._place._reserved", None)
    monkeypatch.setattr("mlsecrets._rendezvous._last", None)
    with tempfile.TemporaryDirectory(prefix="mls-", dir="/tmp") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made)
        assert ENVIRONMENT not in os.environ
        # A keeper that nobody joined ends after a while, and takes its folder along.
        assert eventually(lambda: not list(Path(made).rglob("*/*")))


@pytest.fixture
def orders(folder: Path, stack: DevStack) -> dict[str, Any]:
    """What a keeper is told, in a place that is fine."""
    peers: Peers = "user"
    return {
        "folder": str(Place.private().folder),
        "manifest": str(stack.manifest_path),
        "journal": None,
        "patience": 1.0,
        "peers": peers,
        "roots": (os.getpid(),),
    }


def begin(orders: dict[str, Any]) -> None:
    start(Place(Path(orders["folder"])), Orders(**orders))


@pytest.mark.usefixtures("stack")
def test_without_a_python_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that embeds Python may not say where it is."""
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(errors.OwnerGone, match="does not say where its Python is"):
        lease("train-data").__enter__()


@pytest.mark.usefixtures("stack")
def test_a_python_that_is_none_says_how_to_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends without a word of a keeper's."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(
        errors.OwnerGone, match="did not start: it ended with"
    ) as failed:
        lease("train-data").__enter__()
    assert "-m mlsecrets._keeper" in str(failed.value.remedy)


def test_the_errors_of_a_keeper_are_raised_here(
    stack: DevStack, orders: dict[str, Any], tmp_path: Path
) -> None:
    """A manifest that it cannot read, and a journal that it cannot open."""
    broken = tmp_path / "mlsecrets.toml"
    broken.write_text("api = 3")
    with pytest.raises(errors.ManifestError, match="api"):
        begin({**orders, "manifest": str(broken)})
    with pytest.raises(errors.OwnerGone, match="Is a directory") as failed:
        begin({**orders, "journal": str(tmp_path)})
    assert str(tmp_path) in str(failed.value)


def test_a_folder_that_is_not_ours_alone_gets_no_keeper(
    orders: dict[str, Any],
) -> None:
    """Who can enter it could answer in the keeper's place."""
    folder = Path(orders["folder"])
    folder.chmod(0o770)
    try:
        with pytest.raises(errors.OwnerGone, match="not this user's alone"):
            begin(orders)
    finally:
        folder.chmod(0o700)
        folder.rmdir()


def test_an_issuer_that_is_away_is_told_and_the_keeper_ends(edited: Edit) -> None:
    """The same error as without a keeper, which has nothing to keep then."""
    manifest = edited()
    text = manifest.read_text()
    address = next(s for s in text.split('"') if s.startswith("http://127"))
    manifest.write_text(text.replace(address, "http://127.0.0.1:9"))
    configure(manifest, keeper="process")
    begun = time.monotonic()
    with pytest.raises(errors.IssuerUnavailable, match=r"127\.0\.0\.1:9"):
        lease("mlflow").__enter__()
    assert time.monotonic() - begun < 30.0
