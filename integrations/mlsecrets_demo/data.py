"""The digits as a data set that reads its shards from the store in every epoch.

Nothing in it knows of leases: a URL in, tensors out. Every read is noted in a file that
all workers append to, so that a failed one cannot get lost in a retry or a log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mlsecrets.clock import SYSTEM_CLOCK

#: Rows of a batch: two to a shard.
BATCH = 60
WORKERS = 2


class Shards(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches of (images, labels), read from Parquet shards; each worker has its own.

    Args:
        urls: the shards.
        reads_file: where each read is noted.
        shuffle: another order in each epoch.
        options: for fsspec; empty for ``leases3://``, which needs none.
    """

    def __init__(
        self,
        urls: Sequence[str],
        reads_file: Path,
        *,
        shuffle: bool,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._urls = list(urls)
        self._reads_file = reads_file
        self._shuffle = shuffle
        self._options = dict(options or {})

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        mine = self._urls if worker is None else self._urls[worker.id :: WORKERS]
        for shard in self._order(len(mine)):
            images, labels = self._read(mine[shard])
            for rows in torch.tensor(self._order(len(labels))).split(BATCH):
                yield images[rows], labels[rows]

    def _order(self, count: int) -> list[int]:
        order = torch.randperm(count) if self._shuffle else torch.arange(count)
        return list(map(int, order))

    def _read(self, url: str) -> tuple[Tensor, Tensor]:
        began = SYSTEM_CLOCK.monotonic()
        try:
            with fsspec.open(url, "rb", **self._options) as file:
                # A thread pool for 120 rows costs more than it gains.
                table = pq.read_table(file, use_threads=False)
        except Exception as error:
            self._note(began, url, error)
            raise
        self._note(began, url)
        return tensors(table)

    def _note(self, began: float, url: str, error: Exception | None = None) -> None:
        line: dict[str, Any] = {
            "at": round(SYSTEM_CLOCK.wall(), 3),
            "ok": error is None,
            "ms": round((SYSTEM_CLOCK.monotonic() - began) * 1000, 1),
            "pid": os.getpid(),
            "shard": url.rpartition("/")[2],
        }
        if error is not None:
            line["error"] = store_error(error)
        append(self._reads_file, line)


def tensors(table: Any) -> tuple[Tensor, Tensor]:
    """Images as (rows, 1, 8, 8) floats of 0..1, and labels."""
    pixels = table["pixels"].combine_chunks().flatten().to_numpy()
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    return images, torch.tensor(table["label"].to_numpy(), dtype=torch.long)


def store_error(error: BaseException) -> str:
    """What the store itself said, if it is among the causes."""
    cause: BaseException | None = error
    while cause is not None:
        answer = getattr(cause, "response", None)
        if isinstance(answer, dict) and "Error" in answer:
            said = answer["Error"]
            return f"{said.get('Code')}: {said.get('Message')}".strip()
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__}: {error}"


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line, whole, however many processes do so at once (open(2), O_APPEND)."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(dict(line)).encode() + b"\n")
    finally:
        os.close(fd)


def shard_urls(scheme: str, folder: str, options: Mapping[str, Any]) -> list[str]:
    """The shards below a folder, in order.

    Args:
        scheme: ``leases3`` or ``s3``.
        folder: bucket and prefix.
        options: for fsspec.
    """
    fs = fsspec.filesystem(scheme, **options)
    return [f"{scheme}://{path}" for path in sorted(fs.glob(f"{folder}/*.parquet"))]


def loader(shards: Shards) -> DataLoader[tuple[Tensor, Tensor]]:
    """Reads in two processes that live as long as it does.

    The data set makes batches itself, as rows of one shard belong together.
    """
    return DataLoader(
        shards, batch_size=None, num_workers=WORKERS, persistent_workers=True
    )
