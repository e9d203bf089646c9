"""Checkpoints on leases: where they go, and when they are refused."""

from __future__ import annotations

import pickle
import uuid
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins.io import AsyncCheckpointIO, CheckpointIO

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import NotLeased
from mlsecrets_lightning import LeaseCheckpointIO


class Notes(CheckpointIO):
    """Writes down what it is asked; a user's own checkpoint IO."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Note it."""
        self.asked.append(("save", str(path)))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Note it."""
        self.asked.append(("load", str(path)))
        return {}

    def remove_checkpoint(self, path: Any) -> None:
        """Note it."""
        self.asked.append(("remove", str(path)))

    def teardown(self) -> None:
        """Note it."""
        self.asked.append(("teardown", ""))


@pytest.fixture
def url() -> str:
    """A place for a checkpoint that no other test uses."""
    return f"checkpoints/run-{uuid.uuid4().hex[:8]}/epoch.ckpt"


@pytest.mark.parametrize("scheme", ["s3", "leases3"])
def test_it_saves_and_loads_and_removes(
    platform: DevStack, url: str, scheme: str
) -> None:
    """With Lightning's own reader and writer inside."""
    checkpoints = LeaseCheckpointIO()
    path = f"{scheme}://{url}"
    with lease("checkpoints"):
        checkpoints.save_checkpoint({"weights": torch.ones(3)}, path)
        assert torch.equal(
            checkpoints.load_checkpoint(path, weights_only=True)["weights"],
            torch.ones(3),
        )
        checkpoints.remove_checkpoint(path)
        with pytest.raises(FileNotFoundError):
            checkpoints.load_checkpoint(path)


def test_plain_s3_becomes_leased_for_what_it_wraps(
    platform: DevStack, url: str
) -> None:
    """So that it is leased in processes that know nothing of the block, too."""
    inner = Notes()
    checkpoints = LeaseCheckpointIO(inner)
    with lease("checkpoints"):
        checkpoints.save_checkpoint({}, f"s3://{url}")
    checkpoints.load_checkpoint(f"s3://{url}")
    checkpoints.remove_checkpoint(f"s3://{url}")
    checkpoints.teardown()
    leased = f"leases3://{url}"
    assert inner.asked == [
        ("save", leased),
        ("load", leased),
        ("remove", leased),
        ("teardown", ""),
    ]


def test_other_paths_pass_as_they_are(tmp_path: Path) -> None:
    """Without any lease."""
    inner = Notes()
    LeaseCheckpointIO(inner).save_checkpoint({}, tmp_path / "a.ckpt")
    assert inner.asked == [("save", str(tmp_path / "a.ckpt"))]


@pytest.mark.parametrize("scopes", [("train-data",), ("mlflow", "train-data")])
def test_a_save_that_cannot_end_well_does_not_begin(
    platform: DevStack, url: str, scopes: tuple[str, ...]
) -> None:
    """Nothing is serialised if no open lease covers writing it."""
    inner = Notes()
    with lease(*scopes), pytest.raises(NotLeased, match=url) as refused:
        LeaseCheckpointIO(inner).save_checkpoint({}, f"s3://{url}")
    assert "read s3://datasets" in str(refused.value)
    assert inner.asked == []


def test_without_any_lease_it_does_not_begin_either(
    platform: DevStack, url: str
) -> None:
    """The error says that none is open."""
    with pytest.raises(NotLeased, match="open: none"):
        LeaseCheckpointIO(Notes()).save_checkpoint({}, f"s3://{url}")


def test_it_can_save_in_the_background(platform: DevStack, url: str) -> None:
    """Inside Lightning's asynchronous one, whose teardown waits."""
    checkpoints = AsyncCheckpointIO(LeaseCheckpointIO())
    with lease("checkpoints"):
        checkpoints.save_checkpoint({"epoch": 3}, f"s3://{url}")
        checkpoints.teardown()
        assert LeaseCheckpointIO().load_checkpoint(f"s3://{url}") == {"epoch": 3}


def test_it_pickles_without_a_secret(platform: DevStack) -> None:
    """It travels to spawned ranks with the strategy."""
    with lease("checkpoints") as held:
        data = pickle.dumps(LeaseCheckpointIO())
        credentials = held.snapshot().credentials
        secrets = [credentials.reveal(field) for field in credentials.FIELDS]
    assert isinstance(pickle.loads(data), LeaseCheckpointIO)
    assert not any(secret.encode() in data for secret in secrets)
