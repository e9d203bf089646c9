"""Real data for training, in the store, without a download."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mlsecrets.devstack import DevStack

pytest.importorskip("sklearn", reason="the extra dev is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra dev is not installed")


@pytest.fixture(scope="module")
def keys(stack: DevStack) -> dict[str, list[str]]:
    """Of the shards."""
    return stack.seed_digits()


def read(job: Any, keys: list[str]) -> dict[str, list[Any]]:
    """All rows of these shards, by a leased session."""
    session = job.session("data-reader", "digits")
    rows: dict[str, list[Any]] = {"pixels": [], "label": []}
    for key in keys:
        answer = job.s3(session, "GET", f"datasets/{key}")
        assert answer.status_code == 200
        for name, values in (
            pq.read_table(io.BytesIO(answer.content)).to_pydict().items()
        ):
            rows[name] += values
    return rows


def test_the_shards_are_numbered_by_split(keys: dict[str, list[str]]) -> None:
    """A dozen for training, three for the test."""
    assert [len(keys[split]) for split in ("train", "test")] == [12, 3]
    assert keys["train"][0] == "digits/train/0000.parquet"
    assert keys["test"][-1] == "digits/test/0002.parquet"


def test_every_image_is_there_once(job: Any, keys: dict[str, list[str]]) -> None:
    """1797 of 8 x 8 pixels, no test image among the training images' rows twice."""
    train, test = read(job, keys["train"]), read(job, keys["test"])
    assert len(train["label"]) + len(test["label"]) == 1797
    assert len(test["label"]) == 360
    pixels = train["pixels"] + test["pixels"]
    assert {len(image) for image in pixels} == {64}
    assert (min(map(min, pixels)), max(map(max, pixels))) == (0, 16)


def test_every_digit_is_in_both_splits_alike(
    job: Any, keys: dict[str, list[str]]
) -> None:
    """So that the test accuracy means something."""
    labels = read(job, keys["test"])["label"]
    counts = [labels.count(digit) for digit in range(10)]
    assert min(counts) >= 34
    assert max(counts) <= 38


def test_seeding_twice_writes_the_same(
    stack: DevStack, keys: dict[str, list[str]]
) -> None:
    """The split is fixed."""
    assert stack.seed_digits() == keys
