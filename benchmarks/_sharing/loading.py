"""Objects that a DataLoader's workers read in a second, by whose credentials."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import s3fs
from torch.utils.data import DataLoader, Dataset

from mlsecrets import Lease
from mlsecrets.devstack import DevStack

WORKERS = 2
SIZE = 4096
#: Objects that there are, and how often one epoch reads them.
OBJECTS, TIMES = 50, 6
FOLDER = "datasets/digits/sharing"


@dataclass
class Objects(Dataset[int]):
    """Each item is an object's length; every worker makes a file system of its own.

    Args:
        make: makes it, in the worker.
    """

    make: Callable[[], Any]
    _fs: Any = None

    def __len__(self) -> int:
        return OBJECTS * TIMES

    def __getitem__(self, index: int) -> int:
        if self._fs is None:
            self._fs = self.make()
        return len(self._fs.cat_file(f"{FOLDER}/{index % OBJECTS}"))


def epoch(make: Callable[[], Any]) -> float:
    """Objects a second through one epoch of fresh workers."""
    loader = DataLoader(
        Objects(make),
        batch_size=None,
        num_workers=WORKERS,
        prefetch_factor=4,
        multiprocessing_context="fork",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forks beside threads
        begun = time.perf_counter()
        lengths = list(loader)
        took = time.perf_counter() - begun
    assert lengths == [SIZE] * (OBJECTS * TIMES)  # noqa: S101  it is what is measured
    return len(lengths) / took


class Loading:
    """The three ways to read the same objects.

    Args:
        stack: where they are.
        lease: of the scope that may read them.
    """

    def __init__(self, stack: DevStack, lease: Lease) -> None:
        self._stack = stack
        self._lease = lease
        #: Issuer calls while leased epochs ran, and replacements that the owner made.
        self.calls = self.replaced = 0
        store = stack.admin_s3()
        bucket, prefix = FOLDER.split("/", 1)
        for number in range(OBJECTS):
            store.put_object(Bucket=bucket, Key=f"{prefix}/{number}", Body=bytes(SIZE))
        store.close()

    def static_key(self) -> float:
        """By the store's own key, for which it checks no session and no policy."""
        key = self._stack.store.admin_key()
        return epoch(lambda: self._fs(key=key.access_key, secret=key.secret_key))

    def static_session(self) -> float:
        """By a session's strings, the same rights as the lease's; new ones each epoch.

        One that has seconds to live must not end in the middle.
        """
        self._lease.reject(self._lease.snapshot().terms.generation)
        values = self._lease.snapshot().credentials
        key, secret = values.public["access_key_id"], "secret_access_key"
        strings = {
            "key": key,
            "secret": values.reveal(secret),
            "token": values.reveal("session_token"),
        }
        return epoch(lambda: self._fs(**strings))

    def leased(self) -> float:
        """By the lease, which the workers read from this process."""
        before = issued(self._stack.openbao.audit_log), self._generation()
        speed = epoch(lambda: self._lease.filesystem(skip_instance_cache=True))
        after = issued(self._stack.openbao.audit_log), self._generation()
        self.calls += after[0] - before[0]
        self.replaced += after[1] - before[1]
        return speed

    def _generation(self) -> int:
        return self._lease.snapshot().terms.generation

    def _fs(self, **credentials: str) -> s3fs.S3FileSystem:
        return s3fs.S3FileSystem(
            endpoint_url=self._stack.store.address,
            client_kwargs={"region_name": "us-east-1"},
            skip_instance_cache=True,
            **credentials,
        )


def issued(audit_log: Path) -> int:
    """How often OpenBao was asked for a token for the store, by its own account."""
    count = 0
    for line in audit_log.read_text().splitlines():
        entry = json.loads(line)
        path = entry.get("request", {}).get("path", "")
        count += entry["type"] == "request" and path.startswith("identity/oidc/token/")
    return count
