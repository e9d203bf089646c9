"""A job for each test, on a stack whose credentials live for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlsecrets.devstack import DevStack
from tests.ranks.job import TTL, Job


@pytest.fixture(scope="session")
def brief() -> Iterator[DevStack]:
    """A stack, and an object in its store."""
    with DevStack(ttl=TTL) as stack:
        store = stack.admin_s3()
        store.put_object(Bucket="datasets", Key=KEY, Body=b"digits")
        store.close()
        yield stack


@pytest.fixture
def job(brief: DevStack) -> Iterator[Job]:
    """Its processes are started by the test, and ended after it."""
    # A socket's path may have 107 bytes, which pytest's own folders are too long for.
    with TemporaryDirectory(prefix="mls-", dir="/tmp") as folder:
        made = Job(brief, Path(folder))
        yield made
        made.close()


@pytest.fixture
def key() -> str:
    """Of the object that ranks read."""
    return KEY


KEY = "digits/rank.bin"
