"""Reading shards, and noting every read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from mlsecrets_demo import data


@pytest.fixture
def shard(tmp_path: Path) -> str:
    """One of 120 images, whose labels count up."""
    flat = pa.array([number % 17 for number in range(120 * 64)], type=pa.uint8())
    pixels = pa.FixedSizeListArray.from_arrays(flat, 64)
    labels = pa.array([number % 10 for number in range(120)], type=pa.uint8())
    path = tmp_path / "0000.parquet"
    pq.write_table(pa.table({"pixels": pixels, "label": labels}), path)
    return path.as_uri()


def _notes(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_shard_becomes_batches_of_images(shard: str, tmp_path: Path):
    """Images are scaled to 0..1, labels stay beside them, no row is lost."""
    shards = data.Shards([shard], tmp_path / "reads", shuffle=True)
    batches = list(shards)
    assert [tuple(images.shape) for images, _ in batches] == [(60, 1, 8, 8)] * 2
    assert max(float(images.max()) for images, _ in batches) <= 1
    labels = sorted(int(label) for _, labels in batches for label in labels)
    assert labels == sorted(number % 10 for number in range(120))


def test_every_epoch_reads_again_and_every_read_is_noted(shard: str, tmp_path: Path):
    """Nothing is kept from one epoch to the next."""
    shards = data.Shards([shard], tmp_path / "reads", shuffle=False)
    for _ in range(3):
        list(shards)
    notes = _notes(tmp_path / "reads")
    assert [note["ok"] for note in notes] == [True] * 3
    assert {note["shard"] for note in notes} == {"0000.parquet"}


def test_a_failed_read_is_noted_and_raised(tmp_path: Path):
    """It is counted even if somebody above it would try again."""
    url = (tmp_path / "none.parquet").as_uri()
    with pytest.raises(FileNotFoundError):
        list(data.Shards([url], tmp_path / "reads", shuffle=False))
    [note] = _notes(tmp_path / "reads")
    assert not note["ok"]
    assert note["error"].startswith("FileNotFoundError")


def test_the_stores_own_words_are_found_among_the_causes():
    """s3fs translates errors; what the store said is further down."""
    said = {"Error": {"Code": "InvalidAccessKeyId", "Message": "unknown"}}
    error = PermissionError("no")
    error.__cause__ = ClientError(said, "GetObject")
    assert data.store_error(error) == "InvalidAccessKeyId: unknown"
    assert data.store_error(OSError("no")) == "OSError: no"
