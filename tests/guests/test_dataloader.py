"""Workers of PyTorch's DataLoader read the lease of the process that trains."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from mlsecrets import Lease, Reference, configure, lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import SecretBufferClosed

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning",
    "ignore:Got pickle error:UserWarning",  # PyTorch's, before it raises ours
)


@dataclass
class Held(Dataset[tuple[float, str]]):
    """Reads one object for each item, by what it was given; and says of which lease."""

    data: Lease
    reference: Reference
    filesystem: Any

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[float, str]:
        path = f"datasets/digits/tiny/{index}.bin"
        # One that was made before a fork does not work after it; fsspec says so.
        fs = self.filesystem or self.data.filesystem()
        value: float = struct.unpack("16f", fs.cat_file(path))[0]
        return value, self.reference.source().snapshot().terms.lease_id


@dataclass
class Raw(Dataset[str]):
    """Has a credential itself, which is the mistake."""

    held: Any

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str:
        return str(self.held.credentials.reveal("session_token"))


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_a_dataset_may_hold_a_lease(
    platform: DevStack, data: None, tmp_path: Path, method: str, workers: int
) -> None:
    """And a reference, and, where it is pickled, a file system."""
    journal = tmp_path / "journal.jsonl"
    configure(platform.manifest_path, journal=journal)
    with lease("train-data") as held:
        filesystem = held.filesystem() if method == "spawn" else None
        loader = DataLoader(
            Held(held, held.reference, filesystem),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context=method,
        )
        items = list(loader)
    assert [value for value, _ in items] == [0.0, 1.0, 2.0, 3.0]
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    ours = {e["lease_id"] for e in events if e["event"] in {"issued", "replaced"}}
    assert {lease_id for _, lease_id in items} <= ours
    assert {event["pid"] for event in events} == {os.getpid()}


def test_a_dataset_with_a_raw_credential_is_not_sent_to_a_spawned_worker(
    platform: DevStack,
) -> None:
    """The process that trains is told before anything is started."""
    with lease("train-data") as held:
        raw = Raw(held.snapshot())
        loader = DataLoader(raw, num_workers=1, multiprocessing_context="spawn")
        with pytest.raises(TypeError, match="does not pickle; send the lease"):
            next(iter(loader))


def test_a_dataset_with_a_raw_credential_finds_it_wiped_in_a_forked_worker(
    platform: DevStack,
) -> None:
    """The process that trains gets the worker's error, which says what to send."""
    with lease("train-data") as held:
        raw = Raw(held.snapshot())
        loader = DataLoader(raw, num_workers=1, multiprocessing_context="fork")
        with pytest.raises(SecretBufferClosed, match="send the lease or its reference"):
            next(iter(loader))
