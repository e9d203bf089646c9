"""Distributed checkpoints on leases, in one process."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint import state_dict_saver as saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from mlsecrets import BearerToken, lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import LeaseTooShort, NotLeased, SecretLeak
from mlsecrets.training import SaveRoom
from mlsecrets_torch import LeaseReader, LeaseWriter, async_save

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.distributed is disabled:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*assuming the intent is to load:UserWarning"),
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated:UserWarning"),
]


def state(value: float = 1.0) -> dict[str, Any]:
    """Weights, and what an optimizer keeps besides tensors."""
    return {"weights": torch.full((4,), value), "optimizer": {"lr": value, "name": "x"}}


def failure(error: CheckpointException) -> BaseException:
    """What the one rank has raised."""
    return error.failures[0][0]


@pytest.fixture
def url() -> str:
    """A checkpoint's folder that no other test uses."""
    return f"leases3://checkpoints/run-{uuid.uuid4().hex[:8]}/step-1"


@pytest.fixture
def secret() -> Iterator[str]:
    """Of a credential that this process holds."""
    held = BearerToken.of(token=secrets.token_urlsafe(64))
    yield held.reveal("token")
    held.close()


@pytest.fixture
def keys(platform: DevStack, url: str) -> Any:
    """A function that asks the store for the names of a checkpoint's files."""

    def ask() -> list[str]:
        store = platform.admin_s3()
        bucket, _, prefix = url.removeprefix("leases3://").partition("/")
        told = store.list_objects_v2(Bucket=bucket, Prefix=prefix)
        store.close()
        return sorted(Path(one["Key"]).name for one in told.get("Contents", []))

    return ask


@pytest.mark.parametrize("scheme", ["s3", "leases3"])
def test_it_saves_and_loads(platform: DevStack, url: str, scheme: str) -> None:
    """Tensors and all else; at another URL, too, which PyTorch may set later."""
    here = url.replace("leases3", scheme)
    with lease("checkpoints"):
        save(state(), storage_writer=LeaseWriter(here))
        again = LeaseWriter(here)
        save(state(2.0), storage_writer=again, checkpoint_id=f"{here}-b")
        for place, value in ((here, 1.0), (f"{here}-b", 2.0)):
            got = state(0.0)
            load(got, storage_reader=LeaseReader(place))
            assert got["weights"].tolist() == [value] * 4
            assert got["optimizer"] == {"lr": value, "name": "x"}
        reader = LeaseReader(here)
        load(got, storage_reader=reader, checkpoint_id=f"{here}-b")
        assert got["optimizer"]["lr"] == 2.0


def test_other_paths_pass_as_they_are(tmp_path: Path) -> None:
    """Without any lease."""
    place = str(tmp_path / "checkpoint")
    save(state(), storage_writer=LeaseWriter(place))
    got = state(0.0)
    load(got, storage_reader=LeaseReader(place))
    assert got["optimizer"]["lr"] == 1.0


def test_a_save_that_cannot_end_well_does_not_begin(
    platform: DevStack, url: str, keys: Any
) -> None:
    """The error says which lease is missing, and what is open instead."""
    with lease("train-data"):
        with pytest.raises(CheckpointException) as saving:
            save(state(), storage_writer=LeaseWriter(url))
        with pytest.raises(CheckpointException, match=r"reading s3://checkpoints/run-"):
            load(state(), storage_reader=LeaseReader(url))
    assert isinstance(failure(saving.value), NotLeased)
    assert url.removeprefix("leases3") in str(saving.value)
    assert "open: train-data (read s3://datasets/digits/*)" in str(saving.value)
    assert keys() == []


def test_without_any_lease_there_is_no_writer(platform: DevStack, url: str) -> None:
    """Nor a reader: the store's address comes from the lease."""
    for kind in (LeaseWriter, LeaseReader):
        with pytest.raises(NotLeased, match="no lease of any S3 scope is open"):
            kind(url)


def test_time_for_the_save_is_made_sure_of_before(
    platform: DevStack, url: str, keys: Any
) -> None:
    """Credentials that cannot live so long begin no upload."""
    with lease("checkpoints"):
        with pytest.raises(CheckpointException) as refused:
            save(state(), storage_writer=LeaseWriter(url, room=SaveRoom(3600)))
        assert keys() == []
        learning = SaveRoom()
        save(state(), storage_writer=LeaseWriter(url, room=learning))
    assert isinstance(failure(refused.value), LeaseTooShort)
    assert learning.seconds > 0


@pytest.mark.parametrize("where", ["value", "bytes", "key of a tensor"])
def test_no_secret_is_written(
    platform: DevStack, url: str, keys: Any, secret: str, where: str
) -> None:
    """Neither by `dcp.save` nor, told to its caller, by `dcp.async_save`."""
    leaks: dict[str, Any] = {
        "value": {"optimizer": {"token": secret}},
        "bytes": {"kept": [secret.encode()]},
        "key of a tensor": {"kept": {secret: torch.ones(1)}},
    }
    with lease("checkpoints"):
        writer = LeaseWriter(url)
        with pytest.raises(CheckpointException) as refused:
            save(leaks[where], storage_writer=writer)
        for begin in (saver.async_save, async_save):
            with pytest.raises(SecretLeak, match="token of bearer credentials"):
                begin(leaks[where], storage_writer=writer)
    assert isinstance(failure(refused.value), SecretLeak)
    assert secret not in str(refused.value)
    assert keys() == []


class Slow(LeaseWriter):
    """Waits before it writes: an upload under way."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.begun, self.may_write = Event(), Event()

    def prepare_local_plan(self, plan: Any) -> Any:
        self.begun.set()
        assert self.may_write.wait(10)
        return super().prepare_local_plan(plan)


def test_a_block_leaves_its_lease_to_an_upload_under_way(
    platform: DevStack, url: str, keys: Any
) -> None:
    """And the upload ends it."""
    with lease("checkpoints"):
        writer = Slow(url)
        upload = async_save(state(), storage_writer=writer)
        assert writer.begun.wait(10)
    writer.may_write.set()
    upload.result(timeout=10)
    assert keys() == [".metadata", "__0_0.distcp"]
    with pytest.raises(NotLeased, match="open: none"):
        async_save(state(), storage_writer=writer)


def test_an_upload_of_pytorchs_own_fails_when_the_block_ends_under_it(
    platform: DevStack, url: str, keys: Any
) -> None:
    """Told by its future; what is there is no checkpoint."""
    with lease("checkpoints"):
        writer = Slow(url)
        upload: Any = saver.async_save(state(), storage_writer=writer)
        assert writer.begun.wait(10)
    writer.may_write.set()
    with pytest.raises(CheckpointException, match="open: none"):
        upload.result(timeout=10)
    assert keys() == []
