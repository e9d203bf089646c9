"""Trainers with a keeper, and a place for their journal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlsecrets import configure
from mlsecrets._tenant import tenant
from mlsecrets.devstack import DevStack
from tests.keeper.trainer import Trainer
from tests.real.conftest import edited

__all__ = ["edited"]

Start = Callable[..., Trainer]

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]


@pytest.fixture
def stack(mlsecrets_configured: DevStack) -> DevStack:
    """The embedded stack; this process leases from it, by a keeper."""
    configure(mlsecrets_configured.manifest_path, keeper="process")
    return mlsecrets_configured


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where trainers and keepers write what happens."""
    return tmp_path / "journal.jsonl"


@pytest.fixture
def start(mlsecrets_stack: DevStack, journal: Path) -> Iterator[Start]:
    """Starts trainers, and ends what is left of them."""
    started: list[Trainer] = []

    def begin(
        code: str,
        manifest: Path = mlsecrets_stack.manifest_path,
        options: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> Trainer:
        started.append(Trainer(code, manifest, journal, options or {}, **further))
        return started[-1]

    yield begin
    for trainer in started:
        trainer.close()


@pytest.fixture(autouse=True)
def nothing_is_held() -> Iterator[None]:
    """A test that leaves a lease open is told so."""
    yield
    assert not tenant().busy
    configure()
