"""The UCI handwritten digits as Parquet shards: real data that needs no download.

1797 images of 8 x 8 pixels, bundled with scikit-learn (`load_digits`; E. Alpaydin and
C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "digits"
#: Rows of a shard, small enough that an epoch makes a dozen reads.
SHARD_ROWS = 120
_TEST_SHARE = 0.2
_SEED = 0


def seed(s3: Any, bucket: str) -> dict[str, list[str]]:
    """Write every shard; the keys of ``train`` and ``test``.

    Args:
        s3: a boto3 client that may write.
        bucket: that exists.
    """
    keys: dict[str, list[str]] = {}
    for split, table in _splits().items():
        keys[split] = []
        for start in range(0, table.num_rows, SHARD_ROWS):
            key = f"{PREFIX}/{split}/{start // SHARD_ROWS:04d}.parquet"
            body = _parquet(table.slice(start, SHARD_ROWS))
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            keys[split].append(key)
    return keys


def _splits() -> dict[str, pa.Table]:
    """Columns ``pixels`` (64 of 0..16, row by row) and ``label`` (0..9)."""
    import numpy as np
    import pyarrow as pa
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        pixels.astype(np.uint8),
        labels.astype(np.uint8),
        test_size=_TEST_SHARE,
        random_state=_SEED,
        stratify=labels,
    )
    train_pixels, test_pixels, train_labels, test_labels = parts

    def table(pixels: Any, labels: Any) -> pa.Table:
        flat = pa.array(pixels.reshape(-1), type=pa.uint8())
        rows = pa.FixedSizeListArray.from_arrays(flat, pixels.shape[1])
        return pa.table({"pixels": rows, "label": pa.array(labels, type=pa.uint8())})

    return {
        "train": table(train_pixels, train_labels),
        "test": table(test_pixels, test_labels),
    }


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
