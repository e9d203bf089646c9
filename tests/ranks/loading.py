"""DataLoader workers that read: in a module of its own, since torch imports slowly."""

from __future__ import annotations

import os
from typing import Any

import fsspec
from torch.utils.data import DataLoader, Dataset

ITEMS = 8


class Objects(Dataset[dict[str, Any]]):
    """Reads one object over and over; tells who did.

    Args:
        key: of the object.
    """

    def __init__(self, key: str) -> None:
        self.key = key

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, index: int) -> dict[str, Any]:
        with fsspec.open(f"leases3://datasets/{self.key}") as file:
            return {"pid": os.getpid(), "bytes": len(file.read())}


def epoch(key: str, start: str, workers: int) -> dict[str, Any]:
    """Read all items; which processes did, and how much."""
    loader = DataLoader(
        Objects(key),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context=start,
    )
    items = list(loader)
    return {
        "pids": sorted({item["pid"] for item in items}),
        "read": sum(item["bytes"] > 0 for item in items),
    }
