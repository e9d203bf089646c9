"""What runs in Ray's workers: importable there by name."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import fsspec
import ray

from mlsecrets import Lease


def where() -> tuple[str, int]:
    """The node, and the process."""
    return ray.get_runtime_context().get_node_id(), os.getpid()


def read_url(url: str) -> tuple[str, int, bytes]:
    """The first bytes of an object, by its address alone."""
    with fsspec.open(url) as file:
        return (*where(), bytes(file.read(4)))


def read_lease(lease: Lease, path: str) -> tuple[str, int, bytes]:
    """The first bytes of an object, by a lease that came along."""
    return (*where(), bytes(lease.filesystem().cat_file(path)[:4]))


def read_for(lease: Lease, paths: list[str], seconds: float) -> tuple[int, list[str]]:
    """Read objects for so long; how many were read, and what went wrong."""
    fs = lease.filesystem()
    done, failed, until = 0, [], time.monotonic() + seconds
    while time.monotonic() < until:
        path = paths[done % len(paths)]
        try:
            assert fs.cat_file(path)[:4] == b"PAR1"  # noqa: S101
            done += 1
        except Exception as error:  # noqa: BLE001  whatever it was is counted
            failed.append(f"{type(error).__name__}: {error}")
    return done, failed


class Reader:
    """An actor that keeps a file system for its whole life."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.fs = lease.filesystem()

    def read(self, path: str) -> tuple[int, bytes]:
        """The generation that is read with, and the first bytes."""
        content = bytes(self.fs.cat_file(path)[:4])
        return self.lease.snapshot().terms.generation, content

    def read_for(self, paths: list[str], seconds: float) -> tuple[int, list[str]]:
        """See the function of that name."""
        return read_for(self.lease, paths, seconds)

    def replace(self) -> None:
        """Have the owner replace what is read with."""
        self.lease.reject(self.lease.snapshot().terms.generation)

    def read_anew(self) -> None:
        """Ask the owner, whatever is at hand."""
        self.lease.ensure(1e6)

    def pid(self) -> int:
        """Its process."""
        return os.getpid()


def train(config: dict[str, Any]) -> None:
    """A worker of Ray Train: reads its share, and reports a checkpoint each epoch."""
    import ray.train

    shard = ray.train.get_dataset_shard("train")
    for epoch in range(config["epochs"]):
        rows = sum(len(batch["label"]) for batch in shard.iter_batches())
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state").write_text(f"{epoch} {rows}")
            ray.train.report(
                {"epoch": epoch, "rows": rows},
                checkpoint=ray.train.Checkpoint.from_directory(folder),
            )
        time.sleep(config["pause"])


def trial(config: dict[str, Any]) -> None:
    """A trial of Ray Tune: reads an object, and reports a checkpoint."""
    import ray.tune

    _, _, content = read_url(config["url"])
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "state").write_text(str(config["x"]))
        ray.tune.report(
            {"x": config["x"], "read": len(content)},
            checkpoint=ray.tune.Checkpoint.from_directory(folder),
        )


def report_once(config: dict[str, Any]) -> None:
    """A worker of Ray Train that reports one checkpoint."""
    import ray.train

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "state").write_text("one")
        ray.train.report(
            {"epoch": 0}, checkpoint=ray.train.Checkpoint.from_directory(folder)
        )


def environment() -> dict[str, str]:
    """What a worker's environment says of leases."""
    return {n: v for n, v in os.environ.items() if n.startswith("MLSECRETS_")}


class Model:
    """A deployment of Ray Serve: reads its object for each request."""

    def __init__(self, lease: Lease, path: str) -> None:
        self.fs = lease.filesystem()
        self.path = path

    def __call__(self) -> bytes:
        """The first bytes of it."""
        return bytes(self.fs.cat_file(self.path)[:4])


def reveal(lease: Lease) -> tuple[str, dict[str, str]]:
    """What boto3 wants: to see from elsewhere until when the store takes it."""
    held = lease.snapshot().credentials
    return where()[0], {
        "aws_access_key_id": held.public["access_key_id"],
        "aws_secret_access_key": held.reveal("secret_access_key"),
        "aws_session_token": held.reveal("session_token"),
    }
